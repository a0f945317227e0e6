//! Looks at once whether answers of `init` are right, as far as the neighbours say: whether the
//! organization and the tenant exist and belong together, and what a token opens.
//!
//! A neighbour that cannot be reached from here is no error: the gateway may run elsewhere.

use std::sync::Arc;

use reqwest::StatusCode;
use url::Url;
use uuid::Uuid;

use crate::ado::{self, Client, Credential};
use crate::cli::progress::while_waiting;
use crate::clock::Clock;
use crate::config::Organization;
use crate::credentials::entra::{ClientAuthentication, Entra};
use crate::credentials::{App, AppCredential, Options};
use crate::domain::check::Check;

/// The tenant that an organization belongs to (docs/azure-devops.md §4.4).
const TENANT_HEADER: &str = "x-vss-resourcetenant";

/// What Azure DevOps or Entra says about an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Right(String),
    /// They could not be asked, or the answer may become right later.
    Open(String),
    Wrong(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Look {
    http: reqwest::Client,
    /// The tenant of the organization, once that was seen.
    pub(super) tenant: Option<String>,
}

impl Look {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { http: ado::http_client()?, tenant: None })
    }

    /// Whether there is such an organization. It is asked without a credential.
    pub(super) async fn organization(&mut self, organization: &ado::Options) -> Seen {
        let base = organization.azure_devops_url.as_str().trim_end_matches('/');
        let asked = self
            .http
            .get(format!("{base}/_apis/connectionData?api-version=7.1-preview.1"))
            .header("X-TFS-FedAuthRedirect", "Suppress");
        let answer = match while_waiting("asking Azure DevOps", asked.send()).await {
            Ok(answer) => answer,
            Err(error) => return unreachable_from_here(base, &error),
        };
        let tenant = answer.headers().get(TENANT_HEADER).and_then(|value| value.to_str().ok());
        let tenant = tenant.and_then(|tenant| Uuid::try_parse(tenant).ok());
        // It is all zeros where the organization belongs to no tenant.
        self.tenant = tenant.filter(|tenant| !tenant.is_nil()).map(|tenant| tenant.to_string());
        match answer.status() {
            StatusCode::NOT_FOUND => Seen::Wrong(format!(
                "there is no organization at {base}: give the name that follows dev.azure.com/ in \
                 its address"
            )),
            status if status.is_server_error() => {
                Seen::Open(format!("{base} answers {status}: whether it is right is not known"))
            }
            _ => Seen::Right(format!("{base} is there")),
        }
    }

    /// Whether the tenant exists, and is that of the organization.
    pub(super) async fn tenant_of(&self, credential: &Options) -> Option<Seen> {
        let App { authority_url, tenant_id, .. } = app(credential)?;
        if let Some(tenant) = self.tenant.as_ref().filter(|it| !it.eq_ignore_ascii_case(tenant_id))
        {
            return Some(Seen::Wrong(format!(
                "the organization belongs to tenant {tenant}, not to {tenant_id}: give \
                 tenant_id {tenant}, and register the app there"
            )));
        }
        Some(self.has_metadata(authority_url, tenant_id).await)
    }

    async fn has_metadata(&self, authority: &Url, tenant: &str) -> Seen {
        let authority = authority.as_str().trim_end_matches('/');
        let url = format!("{authority}/{tenant}/v2.0/.well-known/openid-configuration");
        match while_waiting("asking Entra", self.http.get(url).send()).await {
            Ok(answer) if answer.status().is_success() => {
                Seen::Right(format!("tenant {tenant} is there"))
            }
            Ok(answer) if answer.status().is_client_error() => Seen::Wrong(format!(
                "Entra at {authority} knows no tenant {tenant}: copy the Tenant ID from the \
                 Overview of the Entra admin center"
            )),
            Ok(answer) => Seen::Open(format!(
                "{authority} answers {}: whether the tenant is right is not known",
                answer.status()
            )),
            Err(error) => unreachable_from_here(authority, &error),
        }
    }

    /// What the credential sees, where it is of a kind that can be tried on this machine.
    pub(super) async fn access(
        &self,
        organization: &Organization,
        checks: &[Check],
    ) -> Option<Seen> {
        let credential = match self.credential(&organization.credential).await? {
            Ok(credential) => credential,
            Err(seen) => return Some(seen),
        };
        let client = Client::new(
            self.http.clone(),
            organization.ado.clone(),
            Arc::default(),
            Clock::system(),
        );
        let name = &organization.ado.name;
        let repositories = client.repositories(credential);
        let repositories = match while_waiting("trying the credential", repositories).await {
            Ok(repositories) => repositories,
            Err(error @ (ado::Error::Unavailable { .. } | ado::Error::RateLimited { .. })) => {
                return Some(Seen::Open(format!("the credential could not be tried: {error}")));
            }
            // The app may become a member later.
            Err(error) if !matches!(organization.credential, Options::Pat { .. }) => {
                return Some(Seen::Open(format!(
                    "{name} does not let the app in yet: add it in Organization settings → Users \
                     ({error})"
                )));
            }
            Err(error) => {
                let wrong = format!("the credential opens nothing of {name}: {error}");
                return Some(Seen::Wrong(wrong));
            }
        };
        let total = repositories.len();
        let is_watched = |it: &&_| checks.iter().any(|check| check.watches(name, it, &[]));
        let watched = repositories.iter().filter(is_watched).count();
        Some(match watched {
            0 => Seen::Open(format!(
                "the check is about none of the {total} repositories that the credential sees: \
                 compare its repositories with PROJECT/REPOSITORY"
            )),
            _ => Seen::Right(format!("the check is about {watched} of {total} repositories")),
        })
    }

    /// A credential for one call; none of kinds that need a browser or another machine.
    async fn credential(&self, options: &Options) -> Option<Result<Credential, Seen>> {
        match options {
            Options::Pat { token } => Some(Ok(Credential::from_pat(token))),
            Options::ServicePrincipal { app, credential: AppCredential::Secrets(secrets) } => {
                let by = ClientAuthentication::Secrets(secrets.clone());
                let entra = Entra::new(self.http.clone(), app.clone().into(), by, Clock::system());
                Some(match while_waiting("asking Entra", entra.client_credentials()).await {
                    Ok(tokens) => Ok(Credential::from_bearer(&tokens.access_token)),
                    Err(error) if error.is_transient() => {
                        Err(Seen::Open(format!("the app could not be tried: {error}")))
                    }
                    Err(error) => Err(Seen::Wrong(error.to_string())),
                })
            }
            _ => None,
        }
    }
}

/// The app registration of a credential that has one.
fn app(credential: &Options) -> Option<&App> {
    match credential {
        Options::ServiceUser(user) => Some(&user.app),
        Options::ServicePrincipal { app, .. } | Options::WorkloadIdentity { app, .. } => Some(app),
        Options::ManagedIdentity { .. } | Options::Pat { .. } => None,
    }
}

fn unreachable_from_here(address: &str, error: &reqwest::Error) -> Seen {
    let why = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
    Seen::Open(format!("{address} {why} from this machine: whether it is right is not known"))
}
