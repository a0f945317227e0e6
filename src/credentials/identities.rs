//! From what the operator set to who we are: one source of credentials per organization.
//!
//! It must never lend anything itself.

use std::collections::HashMap;
use std::sync::Arc;

use super::bearer::{Bearer, Issuer};
use super::entra::{self, Entra};
use super::linkable::Linkable;
use super::linking::Linking;
use super::minter::Minter;
use super::session::Session;
use super::single_use::SingleUse;
use super::window::Window;
use super::{App, AuditLog, Options, PatUse, Proof, ServiceUser, Source, StaticPat};
use crate::ado::{self, Client};
use crate::deps::Deps;
use crate::secret::Secret;

/// One organization, and who we are to it.
#[derive(Clone, Debug)]
pub struct Identity {
    pub client: Client,
    pub source: Arc<dyn Source>,
    /// The word of the configuration.
    pub kind: &'static str,
}

/// Everybody that we are.
#[derive(Debug)]
pub struct Identities {
    /// By name of the organization.
    pub by_organization: HashMap<String, Identity>,
    pub linking: Linking,
}

impl Identities {
    /// For these organizations.
    ///
    /// # Errors
    /// A certificate that cannot be used.
    pub fn new<'o>(
        organizations: impl Iterator<Item = (&'o ado::Options, &'o Options)>,
        deps: &Deps,
    ) -> Result<Self, String> {
        let (mut by_organization, mut linkable) = (HashMap::new(), Vec::new());
        for (ado, options) in organizations {
            let client = Client::new(
                deps.http.clone(),
                ado.clone(),
                Arc::clone(&deps.throttle),
                deps.clock.clone(),
            );
            let identity = Setup(deps).identity(client, options, &mut linkable)?;
            by_organization.insert(ado.name.clone(), identity);
        }
        Ok(Self { by_organization, linking: Linking::new(linkable, deps.public_url.clone()) })
    }

    /// Every source.
    pub fn sources(&self) -> Vec<Arc<dyn Source>> {
        self.by_organization.values().map(|identity| Arc::clone(&identity.source)).collect()
    }
}

/// The proof of an app with a certificate.
fn certificate(pem: &Secret) -> Result<entra::Proof, String> {
    let certificate = entra::Certificate::from_pem(pem, pem.expose());
    let certificate = certificate.map_err(|error| {
        format!("[organization.credential] client_certificate cannot be used: {error}")
    })?;
    Ok(entra::Proof::Certificate(certificate))
}

/// Sets up identities with what they share.
struct Setup<'d>(&'d Deps);

impl Setup<'_> {
    fn identity(
        &self,
        client: Client,
        options: &Options,
        linkable: &mut Vec<Linkable>,
    ) -> Result<Identity, String> {
        let (store, clock) = (Arc::clone(&self.0.store), self.0.clock.clone());
        let audit_log = AuditLog::new(&client.options().name, store, clock);
        let bearer = |issuer, name: &str| -> Arc<dyn Source> {
            let health = Arc::clone(&self.0.health);
            Arc::new(Bearer::new(issuer, name.to_owned(), audit_log.clone(), health))
        };
        let (kind, source) = match options {
            Options::ServiceUser(user) => {
                let (source, session) = self.service_user(&client, user, audit_log);
                linkable.push(Linkable::new(session, Arc::clone(&source)));
                ("service_user", source)
            }
            Options::ServicePrincipal { app, proof } => {
                let proof = match proof {
                    Proof::Secrets(secrets) => entra::Proof::Secrets(secrets.clone()),
                    Proof::Certificate(pem) => certificate(pem)?,
                };
                let issuer = Issuer::App(self.entra(&audit_log.organization, app, proof));
                ("service_principal", bearer(issuer, &app.client_id))
            }
            Options::ManagedIdentity { client_id, endpoint_url } => {
                let (http, endpoint_url) = (self.0.http.clone(), endpoint_url.clone());
                let name = client_id.as_deref().unwrap_or("the machine's identity");
                let client_id = client_id.clone();
                let issuer = Issuer::Machine { http, endpoint_url, client_id };
                ("managed_identity", bearer(issuer, name))
            }
            Options::WorkloadIdentity { app, token_file } => {
                let proof = entra::Proof::Federated { token_file: token_file.clone() };
                let issuer = Issuer::App(self.entra(&audit_log.organization, app, proof));
                ("workload_identity", bearer(issuer, &app.client_id))
            }
            Options::Pat { token } => {
                let source: Arc<dyn Source> = Arc::new(StaticPat::new(token.clone(), audit_log));
                ("pat", source)
            }
        };
        Ok(Identity { client, source, kind })
    }

    fn service_user(
        &self,
        client: &Client,
        user: &ServiceUser,
        audit_log: AuditLog,
    ) -> (Arc<dyn Source>, Arc<Session>) {
        let entra = self.entra(
            &audit_log.organization,
            &user.app,
            entra::Proof::Secrets(user.client_secrets.clone()),
        );
        let (keys, health) = (self.0.keys.clone(), Arc::clone(&self.0.health));
        let session = Arc::new(Session::new(user.clone(), entra, keys, audit_log, health));
        let throttle = Arc::clone(&self.0.throttle);
        let instance = self.0.instance.clone();
        let minter =
            Arc::new(Minter::new(client.clone(), Arc::clone(&session), throttle, instance));
        let source: Arc<dyn Source> = match user.pat_use {
            PatUse::Single => Arc::new(SingleUse::new(minter, user.mint_ahead)),
            PatUse::Window => Arc::new(Window::new(minter)),
        };
        (source, session)
    }

    fn entra(&self, organization: &str, app: &App, proof: entra::Proof) -> Entra {
        let authority =
            entra::Authority { url: app.authority_url.clone(), tenant_id: app.tenant_id.clone() };
        let app = entra::App { authority, client_id: app.client_id.clone() };
        Entra::new(self.0.http.clone(), app, proof, self.0.clock.clone())
            .for_organization(organization)
    }
}
