//! Links a service user: sends a browser to Entra, checks what it brings back, and stores the
//! tokens (docs/azure-devops.md §4.4).
//!
//! A sign-in is bound to the browser that started it and can be completed once. Nothing of a
//! refused sign-in is stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use url::Url;

use super::expected;
use super::linkable_organization::LinkableOrganization;
use super::refusals::{Attempt, Refusals};
use super::session::Session;
use super::sign_in::{LinkError, LinkedUser};
use crate::credentials::audit_log::count;
use crate::credentials::callback::{self, Begun, SignInCallback, StartedSignIn, below};
use crate::credentials::entra::{self, Account, Tokens};
use crate::deps::Deps;
use crate::domain::audit::{Action, Actor, Entry, Outcome, Via};
use crate::domain::time::Timestamp;
use crate::secret::Secret;
use crate::storage::{Commit, Link, LinkChange, LinkTo, Login, Statuses, Ticket};

/// How long a person may take to sign in.
const SIGN_IN_MAX: Duration = Duration::from_secs(600);
/// How long a printed link is valid.
const TICKET_MAX: Duration = Duration::from_secs(900);
/// The redirect URI, below the public URL.
const REDIRECT_PATH: [&str; 2] = ["complete", "azure_active_directory_service_user"];

/// See the module.
#[derive(Debug)]
pub struct Linking {
    /// By name, in lower case.
    organizations: HashMap<String, LinkableOrganization>,
    public_url: Url,
    statuses: Arc<dyn Statuses>,
    refusals: Refusals,
}

impl Linking {
    /// Links users to these organizations. Entra sends browsers back to the public URL.
    pub(in crate::credentials) fn new(
        organizations: Vec<LinkableOrganization>,
        deps: &Deps,
    ) -> Self {
        let key = |one: &LinkableOrganization| one.session.organization().to_ascii_lowercase();
        let organizations = organizations.into_iter().map(|one| (key(&one), one)).collect();
        Self {
            organizations,
            public_url: deps.public_url.clone(),
            statuses: Arc::clone(&deps.store) as Arc<dyn Statuses>,
            refusals: Refusals::default(),
        }
    }

    fn find(&self, organization: &str) -> Result<&LinkableOrganization, LinkError> {
        self.organizations.get(&organization.to_ascii_lowercase()).ok_or_else(|| {
            let kind = "[organization.credential] kind = \"service_user\"";
            LinkError::NotLinkable(format!(
                "nobody can be linked to {organization}: there is no organization of that name \
                 with {kind}"
            ))
        })
    }

    /// Whether the organization has a service user.
    pub fn is_linkable(&self, organization: &str) -> bool {
        self.find(organization).is_ok()
    }

    /// A one-time link that starts a sign-in, and when it expires.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn ticket(
        &self,
        organization: &str,
        actor: &str,
    ) -> Result<(Secret, Timestamp), LinkError> {
        let session = &self.find(organization)?.session;
        let expires_at = session.clock.now().plus(TICKET_MAX);
        let secret = entra::random_text().map_err(|error| unavailable(&error))?;
        let ticket = Ticket {
            digest: digest(&secret),
            organization: session.organization().to_owned(),
            actor: actor.to_owned(),
            expires_at,
        };
        session.links.issue_ticket(ticket).await?;
        let mut url = below(&self.public_url, &["connect", session.organization()]);
        url.query_pairs_mut().append_pair("ticket", secret.expose());
        Ok((Secret::new(url.into()), expires_at))
    }

    /// Starts a sign-in for the bearer of a ticket, and uses the ticket up.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn start_with_ticket(
        &self,
        organization: &str,
        ticket: &Secret,
    ) -> Result<StartedSignIn, LinkError> {
        let session = &self.find(organization)?.session;
        let (name, now) = (session.organization(), session.clock.now());
        let digest = digest(ticket);
        // A guess is only looked up: it must not queue a write.
        let (attempt, taken) = match session.links.is_known(digest).await? {
            true => (Attempt::Known, session.links.take_ticket(digest, name, now).await?),
            false => (Attempt::UnknownTicket, None),
        };
        let Some(name_of_actor) = taken else {
            let reason = format!(
                "this link was used before, has expired, or is not for {name}: run \
                 `azdo-gateway link {name}` for a new one"
            );
            let (audit_log, actor) = (&session.audit_log, "somebody with a link");
            self.refusals.record_stranger(audit_log, attempt, name, actor, &reason, now).await;
            return Err(LinkError::NotAllowed(reason));
        };
        let actor = Actor { name: name_of_actor, via: Via::OneTimeLink };
        self.start(organization, actor).await
    }

    /// Starts a sign-in for a caller whose right to link was checked.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn start(
        &self,
        organization: &str,
        actor: Actor,
    ) -> Result<StartedSignIn, LinkError> {
        let session = &self.find(organization)?.session;
        let now = session.clock.now();
        let login = entra::Login::begin().map_err(|error| unavailable(&error))?;
        // Entra takes a sign-in name as a hint, and no object id.
        let expected_user = session.user.expected_user.as_deref();
        let login_hint = expected_user.filter(|expected| expected.contains('@'));
        // Entra always asks: the operator who links is seldom the service user.
        let who = entra::Who::Asked(login_hint);
        let authorize_url = session.entra.authorize_url(&login, &self.redirect_uri(), who);
        let stored = Login {
            state: digest(&login.state),
            browser: digest(&login.browser),
            organization: session.organization().to_owned(),
            nonce: login.nonce.expose().to_owned(),
            verifier: session
                .seal("verifier", &login.verifier)
                .map_err(|error| unavailable(&error))?,
            actor,
            expires_at: now.plus(SIGN_IN_MAX),
        };
        session.links.begin_login(stored, now).await?;
        Ok(StartedSignIn { authorize_url, browser: login.browser })
    }

    /// Completes a sign-in: checks it, and links the user who signed in. Returns the organization
    /// and the user.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn complete(
        &self,
        callback: SignInCallback,
    ) -> Result<(String, LinkedUser), LinkError> {
        // Sign-ins of all organizations are in one store.
        let Some(any) = self.organizations.values().next() else {
            return Err(LinkError::NotLinkable("no organization has a service user".into()));
        };
        let (now, links) = (any.session.clock.now(), &any.session.links);
        let state = callback.state.as_ref().map(digest);
        // A guess is only looked up: it must not queue a write.
        let known = match state {
            Some(state) if links.is_known(state).await? => Some(state),
            _ => None,
        };
        let login = match (known, &callback.browser) {
            (Some(state), Some(browser)) => links.take_login(state, digest(browser), now).await?,
            _ => None,
        };
        let Some(login) = login else {
            let reason = "this sign-in was started in another browser, has been completed already, \
                or took longer than ten minutes: open the link from `azdo-gateway link` again, \
                and stay in one browser";
            let (audit_log, actor) = (&any.session.audit_log, "a browser");
            let attempt = known.map_or(Attempt::UnknownSignIn, |_| Attempt::Known);
            self.refusals.record_stranger(audit_log, attempt, "", actor, reason, now).await;
            return Err(LinkError::Refused(reason.into()));
        };
        let organization = self.find(&login.organization)?;
        match self.link(organization, &login, &callback).await {
            Ok(user) => Ok((login.organization, user)),
            Err(error) => {
                let audit_log = &organization.session.audit_log;
                self.refusals.record(audit_log, &login.actor, &error.to_string()).await;
                Err(error)
            }
        }
    }

    async fn link(
        &self,
        organization: &LinkableOrganization,
        login: &Login,
        callback: &SignInCallback,
    ) -> Result<LinkedUser, LinkError> {
        let session = &organization.session;
        let verifier = session.open("verifier", &login.verifier);
        let verifier = verifier.map_err(|error| LinkError::Refused(error.to_string()))?.secret;
        let (nonce, redirect_uri) = (login.nonce.as_str(), &self.redirect_uri());
        let begun = Begun { nonce, verifier: &verifier, redirect_uri };
        let (account, tokens) = callback::redeem(&session.entra, callback, begun).await?;
        // One after the other, so that each is compared with the account that is linked by then.
        let _change = organization.change.lock().await;
        let linked = session.links.link(session.organization()).await?;
        let expected_user = session.user.expected_user.as_deref();
        expected::check(session.organization(), expected_user, linked.as_ref(), &account)
            .map_err(LinkError::Refused)?;
        self.store(organization, login, account, tokens).await
    }

    /// Stores the link. The caller holds the lock of the organization's changes.
    async fn store(
        &self,
        organization: &LinkableOrganization,
        login: &Login,
        account: Account,
        tokens: Tokens,
    ) -> Result<LinkedUser, LinkError> {
        let session = &organization.session;
        let now = session.clock.now();
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
            linked_by: login.actor.name.clone(),
            signed_in_at: account.signed_in_at.unwrap_or(now),
            refresh_token: seal("refresh", &refresh_token)?,
            access_token: Some(seal("access", &tokens.access_token)?),
            access_expires_at: tokens.expires_at,
            refreshed_at: now,
            retry_at: Timestamp::ZERO,
            failures: 0,
            problem: None,
        };
        let paused = organization.pause().await;
        let before = session.links.link(session.organization()).await?;
        let is_same = before.is_none_or(|before| before.object_id == link.object_id);
        let user = LinkedUser::from(&link);
        let entry = Entry {
            identity: Some(user.user_name.clone()),
            detail: user.email.clone().unwrap_or_default(),
            ..session.audit_log.entry(Action::Link, Outcome::Done).by(login.actor.clone())
        };
        commit(session, LinkTo::Linked(Box::new(link)), entry).await?;
        if !is_same {
            paused.user_has_changed();
        }
        self.statuses.make_slots_due(session.organization(), now).await?;
        tracing::info!(organization = session.organization(), "linked {}", user.user_name);
        Ok(user)
    }

    /// Unlinks the service user. Returns whether there was one.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn unlink(&self, organization: &str, actor: Actor) -> Result<bool, LinkError> {
        let organization = self.find(organization)?;
        let session = &organization.session;
        let _change = organization.change.lock().await;
        let paused = organization.pause().await;
        let link = session.links.link(session.organization()).await?;
        let entry = Entry {
            identity: link.map(|link| link.user_name),
            ..session.audit_log.entry(Action::Unlink, Outcome::Done).by(actor)
        };
        let committed = commit(session, LinkTo::Unlinked, entry).await?;
        paused.user_has_changed();
        Ok(committed == Commit::Committed)
    }

    /// The linked user, if there is one.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn linked_user(&self, organization: &str) -> Result<Option<LinkedUser>, LinkError> {
        let session = &self.find(organization)?.session;
        let link = session.links.link(session.organization()).await?;
        Ok(link.as_ref().map(LinkedUser::from))
    }

    /// When the client secret of an organization's app ends, where the configuration says so.
    pub fn client_secret_expires(&self, organization: &str) -> Option<Timestamp> {
        self.find(organization).ok().and_then(|found| found.session.client_secret_expires())
    }

    fn redirect_uri(&self) -> Url {
        below(&self.public_url, &REDIRECT_PATH)
    }
}

async fn commit(session: &Arc<Session>, to: LinkTo, entry: Entry) -> Result<Commit, LinkError> {
    let organization = session.organization().to_owned();
    count(&entry);
    let committed = session.links.commit_link(LinkChange { organization, to, entry }).await;
    session.clear_cache().await;
    // Updates the health record, so that `/readyz` shows the new state at once.
    session.maintain().await;
    Ok(committed?)
}

fn unavailable(error: &impl ToString) -> LinkError {
    LinkError::Unavailable(error.to_string())
}

fn digest(secret: &Secret) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}
