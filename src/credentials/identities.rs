//! Builds the credential source of each organization from its options.

use std::collections::HashMap;
use std::sync::Arc;

use super::audit_log::AuditLog;
use super::bearer_token::{BearerToken, Issuer};
use super::entra::{Certificate, ClientAuthentication, Entra};
use super::options::{App, AppCredential, Options, PatUse};
use super::pat::{Minter, SingleUsePats, StaticPat, WindowPats};
use super::service_user::{LinkableOrganization, Linking, Session};
use super::source::Source;
use crate::ado::{self, Client};
use crate::deps::Deps;

/// How one organization is called, and as whom.
#[derive(Clone, Debug)]
pub struct Identity {
    pub client: Client,
    pub source: Arc<dyn Source>,
    /// The value of `kind` in the configuration.
    pub kind: &'static str,
}

/// The identities of all organizations.
#[derive(Debug)]
pub struct Identities {
    /// By name of the organization.
    pub by_organization: HashMap<String, Identity>,
    /// Links those that are service users.
    pub linking: Linking,
}

impl Identities {
    /// The identities of these organizations, from where each is and how it is signed in to.
    ///
    /// # Errors
    /// A certificate cannot be used.
    pub fn new<'o>(
        organizations: impl Iterator<Item = (&'o ado::Options, &'o Options)>,
        deps: &Deps,
    ) -> Result<Self, String> {
        let (mut by_organization, mut linkable) = (HashMap::new(), Vec::new());
        for (ado, options) in organizations {
            let (http, throttle) = (deps.http.clone(), Arc::clone(&deps.throttle));
            let client = Client::new(http, ado.clone(), throttle, deps.clock.clone());
            let source = source(&client, options, deps, &mut linkable)?;
            let identity = Identity { client, source, kind: options.kind() };
            by_organization.insert(ado.name.clone(), identity);
        }
        Ok(Self { by_organization, linking: Linking::new(linkable, deps) })
    }

    /// The credential source of every organization.
    pub fn sources(&self) -> Vec<Arc<dyn Source>> {
        self.by_organization.values().map(|identity| Arc::clone(&identity.source)).collect()
    }
}

/// The source for one organization. One with a service user is added to `linkable`.
fn source(
    client: &Client,
    options: &Options,
    deps: &Deps,
    linkable: &mut Vec<LinkableOrganization>,
) -> Result<Arc<dyn Source>, String> {
    let organization = &client.options().name;
    let audit_log = AuditLog::new(organization, deps);
    Ok(match options {
        Options::ServiceUser(user) => {
            let authentication = ClientAuthentication::Secrets(user.client_secrets.clone());
            let entra = entra(&user.app, authentication, organization, deps);
            let session = Arc::new(Session::new(user.clone(), entra, audit_log, deps));
            let minter = Arc::new(Minter::new(client.clone(), Arc::clone(&session), deps));
            let source: Arc<dyn Source> = match user.pat_use {
                PatUse::Single => Arc::new(SingleUsePats::new(minter, user.mint_ahead)),
                PatUse::Window => Arc::new(WindowPats::new(minter)),
            };
            linkable.push(LinkableOrganization::new(session, Arc::clone(&source)));
            source
        }
        Options::ServicePrincipal { app, credential } => {
            let authentication = client_authentication(credential)?;
            let issuer = Issuer::App(entra(app, authentication, organization, deps));
            Arc::new(BearerToken::new(issuer, app.client_id.clone(), audit_log, deps))
        }
        Options::WorkloadIdentity { app, token_file } => {
            let authentication = ClientAuthentication::Federated { token_file: token_file.clone() };
            let issuer = Issuer::App(entra(app, authentication, organization, deps));
            Arc::new(BearerToken::new(issuer, app.client_id.clone(), audit_log, deps))
        }
        Options::ManagedIdentity { client_id, endpoint_url } => {
            let name = client_id.as_deref().unwrap_or("the machine's identity").to_owned();
            let (http, endpoint_url) = (deps.http.clone(), endpoint_url.clone());
            let issuer = Issuer::Machine { http, endpoint_url, client_id: client_id.clone() };
            Arc::new(BearerToken::new(issuer, name, audit_log, deps))
        }
        Options::Pat { token } => Arc::new(StaticPat::new(token.clone(), audit_log)),
    })
}

fn client_authentication(credential: &AppCredential) -> Result<ClientAuthentication, String> {
    match credential {
        AppCredential::Secrets(secrets) => Ok(ClientAuthentication::Secrets(secrets.clone())),
        AppCredential::Certificate(pem) => {
            let certificate = Certificate::from_pem(pem, pem.expose());
            certificate.map(ClientAuthentication::Certificate).map_err(|error| {
                format!("[organization.credential] client_certificate cannot be used: {error}")
            })
        }
    }
}

fn entra(app: &App, by: ClientAuthentication, organization: &str, deps: &Deps) -> Entra {
    let app = app.clone().into();
    Entra::new(deps.http.clone(), app, by, deps.clock.clone()).for_organization(organization)
}
