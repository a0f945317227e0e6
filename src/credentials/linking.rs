//! Linking a service user: a browser signs in at Entra and comes back with a code
//! (docs/azure-devops.md §4.4).
//!
//! Every sign-in is bound to the browser that began it, ends once, and is thrown away when
//! anything about it is not as it was begun. It must never store anything of a refused one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use url::Url;

use super::audit_log::count;
use super::entra::{self, Account, Tokens};
use super::linkable::Linkable;
use super::session::Session;
use super::sign_in::{Begun, LinkError, LinkState, Return};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::time::Timestamp;
use crate::secret::Secret;
use crate::storage::{Commit, Link, LinkChange, LinkTo, Login, Ticket};

/// How long a person may take to sign in.
const LOGIN_MAX: Duration = Duration::from_secs(600);
/// How long a printed link can be opened.
const TICKET_MAX: Duration = Duration::from_secs(900);
/// Refusals that anybody can cause and that are written down, within so long.
const NOTED_MAX: usize = 30;
const NOTED_WITHIN: Duration = Duration::from_secs(60);
/// Where Entra sends the browser back to, below the public address.
const REDIRECT: &str = "complete/azure_active_directory_service_user";

/// See the module.
#[derive(Debug)]
pub struct Linking {
    organizations: HashMap<String, Linkable>,
    public_url: Url,
    /// When refusals that anybody can cause were lately written down.
    noted: Mutex<Vec<Timestamp>>,
}

impl Linking {
    /// Links these organizations; Entra sends browsers back to `public_url`.
    pub fn new(organizations: Vec<Linkable>, public_url: Url) -> Self {
        let key = |linkable: &Linkable| linkable.session.organization().to_ascii_lowercase();
        let organizations = organizations.into_iter().map(|one| (key(&one), one)).collect();
        Self { organizations, public_url, noted: Mutex::default() }
    }

    fn find(&self, organization: &str) -> Result<&Linkable, LinkError> {
        self.organizations.get(&organization.to_ascii_lowercase()).ok_or_else(|| {
            let kind = "[organization.credential] kind = \"service_user\"";
            LinkError::NotLinkable(format!(
                "{organization} is not an organization with {kind}: nobody can be linked to it"
            ))
        })
    }

    /// Whether the organization has a service user at all.
    pub fn is_linkable(&self, organization: &str) -> bool {
        self.find(organization).is_ok()
    }

    /// A one-time link that begins a sign-in, and when it goes out of date.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn ticket(
        &self,
        organization: &str,
        actor: &str,
    ) -> Result<(Secret, Timestamp), LinkError> {
        let session = &self.find(organization)?.session;
        let now = session.audit_log.clock.now();
        let ticket = entra::random_text().map_err(|error| unavailable(&error))?;
        let expires_at = now.plus(TICKET_MAX);
        let organization = session.organization().to_owned();
        let (digest, name) = (digest(&ticket), organization.clone());
        let actor = actor.to_owned();
        session
            .audit_log
            .store
            .issue_ticket(Ticket { digest, organization, actor, expires_at })
            .await?;
        let mut url = below(&self.public_url, &["connect", &name]);
        url.query_pairs_mut().append_pair("ticket", ticket.expose());
        Ok((Secret::new(url.into()), expires_at))
    }

    /// Begins a sign-in for the bearer of a ticket.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn begin_with(
        &self,
        organization: &str,
        ticket: &Secret,
    ) -> Result<Begun, LinkError> {
        let session = &self.find(organization)?.session;
        let now = session.audit_log.clock.now();
        let (digest, name) = (digest(ticket), session.organization());
        let Some(actor) = session.audit_log.store.take_ticket(digest, name, now).await? else {
            let reason = format!(
                "this link was used before, is out of date, or is not for {name}: run \
                 `azdo-gateway link {name}` for a new one"
            );
            if self.may_note(now) {
                self.note(session, "somebody with a link", &reason).await;
            }
            return Err(LinkError::NotAllowed(reason));
        };
        self.begin(organization, &actor).await
    }

    /// Begins a sign-in for somebody whose right to do so was checked.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn begin(&self, organization: &str, actor: &str) -> Result<Begun, LinkError> {
        let session = &self.find(organization)?.session;
        let now = session.audit_log.clock.now();
        let login = entra::Login::begin().map_err(|error| unavailable(&error))?;
        let expected = session.user.expected_user.as_deref();
        let authorize_url = session.entra.authorize_url(&login, &self.redirect(), expected);
        let kept = Login {
            state: digest(&login.state),
            browser: digest(&login.browser),
            organization: session.organization().to_owned(),
            nonce: login.nonce.expose().to_owned(),
            verifier: session.seal("verifier", &login.verifier).map_err(|e| unavailable(&e))?,
            actor: actor.to_owned(),
            expires_at: now.plus(LOGIN_MAX),
        };
        session.audit_log.store.begin_login(kept, now).await?;
        Ok(Begun { authorize_url, browser: login.browser })
    }

    /// Ends a sign-in: checks everything, and links whoever signed in. Says to which organization.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn complete(&self, back: Return) -> Result<(String, LinkState), LinkError> {
        let Some(any) = self.organizations.values().next() else {
            return Err(LinkError::NotLinkable("no organization has a service user".into()));
        };
        let (store, now) = (&any.session.audit_log.store, any.session.audit_log.clock.now());
        let login = match (&back.state, &back.browser) {
            (Some(state), Some(browser)) => {
                store.take_login(digest(state), digest(browser), now).await?
            }
            _ => None,
        };
        let Some(login) = login else {
            let reason = "this sign-in was not begun in this browser, has been completed already, \
                or took longer than ten minutes: open the link from `azdo-gateway link` again, \
                and stay in one browser";
            self.note_unknown(any, reason).await;
            return Err(LinkError::Refused(reason.into()));
        };
        let linkable = self.find(&login.organization)?;
        match self.link(linkable, &login, &back).await {
            Ok(state) => Ok((login.organization, state)),
            Err(error) => {
                self.note(&linkable.session, &login.actor, &error.to_string()).await;
                Err(error)
            }
        }
    }

    async fn link(
        &self,
        linkable: &Linkable,
        login: &Login,
        back: &Return,
    ) -> Result<LinkState, LinkError> {
        let session = &linkable.session;
        if let Some(error) = &back.error {
            let said = back.error_description.as_deref().unwrap_or_default();
            return Err(LinkError::Refused(session.entra.explain(error, said).to_string()));
        }
        let Some(code) = &back.code else {
            return Err(LinkError::Refused("the answer of Entra has no code".into()));
        };
        let place = session.place("verifier");
        let verifier = session.keys.open(&place, &login.verifier);
        let verifier = verifier.map_err(|error| LinkError::Refused(error.to_string()))?.secret;
        let redeemed = session.entra.redeem_code(code.expose(), &verifier, &self.redirect()).await;
        let tokens = redeemed.map_err(entra_refused)?;
        let id_token = tokens.id_token.as_ref();
        let id_token = id_token.ok_or_else(|| LinkError::Refused("there is no ID token".into()))?;
        let verified = session.entra.verify_id_token(id_token, &login.nonce).await;
        let account = verified.map_err(entra_refused)?;
        check_user(session, &account)?;
        self.store(linkable, login, account, tokens).await
    }

    async fn store(
        &self,
        linkable: &Linkable,
        login: &Login,
        account: Account,
        tokens: Tokens,
    ) -> Result<LinkState, LinkError> {
        let session = &linkable.session;
        let now = session.audit_log.clock.now();
        let refresh_token = tokens.refresh_token.ok_or_else(|| {
            LinkError::Refused(
                "Entra gave no refresh token: let the app have offline_access, and register the \
                 redirect address for the platform \"Web\""
                    .into(),
            )
        })?;
        let seal = |what, secret| session.seal(what, secret).map_err(|error| unavailable(&error));
        let link = Link {
            organization: session.organization().to_owned(),
            revision: 0,
            tenant_id: account.tenant_id,
            object_id: account.object_id,
            user_name: account.user_name,
            email: account.email,
            linked_at: now,
            linked_by: login.actor.clone(),
            signed_in_at: account.signed_in_at.unwrap_or(now),
            refresh_token: seal("refresh", &refresh_token)?,
            access_token: Some(seal("access", &tokens.access_token)?),
            access_expires_at: tokens.expires_at,
            refreshed_at: now,
            retry_at: Timestamp::ZERO,
            failures: 0,
            problem: None,
        };
        let _turn = linkable.changing.lock().await;
        let _paused = linkable.pause().await;
        let state = LinkState::from(&link);
        let entry = Entry {
            identity: Some(state.user_name.clone()),
            actor: login.actor.clone(),
            detail: state.email.clone().unwrap_or_default(),
            ..session.audit_log.entry(Action::Link, Outcome::Done)
        };
        self.change(linkable, LinkTo::Linked(Box::new(link)), entry).await?;
        session.audit_log.store.hurry_slots(session.organization(), now).await?;
        tracing::info!(organization = session.organization(), "linked {}", state.user_name);
        Ok(state)
    }

    async fn change(
        &self,
        linkable: &Linkable,
        to: LinkTo,
        entry: Entry,
    ) -> Result<Commit, LinkError> {
        let session = &linkable.session;
        let organization = session.organization().to_owned();
        count(&entry);
        let change = LinkChange { organization, to, entry };
        let committed = session.audit_log.store.commit_link(change).await;
        session.forget().await;
        // So that `/readyz` tells it from now on.
        session.upkeep().await;
        Ok(committed?)
    }

    /// Takes the service user away; says whether there was one.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn unlink(&self, organization: &str, actor: &str) -> Result<bool, LinkError> {
        let linkable = self.find(organization)?;
        let session = &linkable.session;
        let _turn = linkable.changing.lock().await;
        let _paused = linkable.pause().await;
        let identity = session.audit_log.store.link(session.organization()).await?;
        let entry = Entry {
            identity: identity.map(|link| link.user_name),
            actor: actor.to_owned(),
            ..session.audit_log.entry(Action::Unlink, Outcome::Done)
        };
        let committed = self.change(linkable, LinkTo::Unlinked, entry).await?;
        Ok(committed == Commit::Committed)
    }

    /// Who is linked.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn state(&self, organization: &str) -> Result<Option<LinkState>, LinkError> {
        let session = &self.find(organization)?.session;
        let link = session.audit_log.store.link(session.organization()).await?;
        Ok(link.as_ref().map(LinkState::from))
    }

    fn redirect(&self) -> Url {
        let parts: Vec<_> = REDIRECT.split('/').collect();
        below(&self.public_url, &parts)
    }

    /// What anybody can cause is written down so many times a minute: nobody must fill the disk.
    fn may_note(&self, now: Timestamp) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|at| now.since(*at) < NOTED_WITHIN);
        let may = noted.len() < NOTED_MAX;
        if may {
            noted.push(now);
        }
        may
    }

    /// A refusal is a security event: it is logged, counted and written down.
    async fn note(&self, session: &Session, actor: &str, reason: &str) {
        tracing::warn!(organization = session.organization(), "nobody was linked: {reason}");
        let entry = session.audit_log.entry(Action::Link, Outcome::Refused);
        let (actor, detail) = (actor.to_owned(), reason.to_owned());
        session.audit_log.record(vec![Entry { actor, detail, ..entry }]).await;
    }

    /// The same where nobody proved anything, so it is not known for which organization it was.
    async fn note_unknown(&self, any: &Linkable, reason: &str) {
        if !self.may_note(any.session.audit_log.clock.now()) {
            return;
        }
        tracing::warn!("nobody was linked: {reason}");
        let entry = any.session.audit_log.entry(Action::Link, Outcome::Refused);
        let (actor, detail) = ("a browser".to_owned(), reason.to_owned());
        let entry = Entry { organization: String::new(), actor, detail, ..entry };
        any.session.audit_log.record(vec![entry]).await;
    }
}

/// The account must be the one that the operator expects: browsers sign in silently with whatever
/// account they have.
fn check_user(session: &Session, account: &Account) -> Result<(), LinkError> {
    let Some(expected) = &session.user.expected_user else { return Ok(()) };
    let is = |name: &str| name.to_lowercase() == expected.to_lowercase();
    if is(&account.user_name) || account.email.as_deref().is_some_and(is) {
        return Ok(());
    }
    Err(LinkError::Refused(format!(
        "the account {} signed in, and {expected} is expected: sign in with that one, in a private \
         window if your browser keeps choosing another; or change expected_user in the \
         configuration",
        account.user_name
    )))
}

fn entra_refused(error: entra::Error) -> LinkError {
    match error.is_transient() {
        true => LinkError::Unavailable(error.to_string()),
        false => LinkError::Refused(error.to_string()),
    }
}

fn unavailable(error: &impl ToString) -> LinkError {
    LinkError::Unavailable(error.to_string())
}

fn digest(secret: &Secret) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}

fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // The configuration takes http and https alone, which have segments.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
