//! The played neighbours and what stands in them before the story begins. It must never reach into
//! the gateway: it only knows its address and the passwords of its hooks, as Azure DevOps does.

use anyhow::{Context, bail};
use fakes::bearers::add_service_user;
use fakes::shell::Shell;
use fakes::{ado, ci, entra};
use serde_json::json;

use crate::secret::Keyring;

/// Of the app that the gateway is in Entra.
pub(super) const CLIENT_SECRET: &str = "client-secret-of-the-played-app-0000";
/// The account in whose name the gateway acts.
pub(super) const SERVICE_USER: &str = "svc-ci@fabrikam.example";
/// Jo's own token, to make hooks by hand; it opens nothing but the played organization.
const PAT: &str = "demo-pat-of-the-played-organization-0000000000000000";
pub(super) const ORGANIZATION: &str = "fabrikam";
/// Long enough for a demo.
const VALID_UNTIL_MS: i64 = 4_102_444_800_000;

/// Azure DevOps, Entra and the CI behind one port.
pub(super) struct Neighbours {
    pub(super) shell: Shell,
    pub(super) client_id: String,
    pub(super) repository: String,
    project: String,
}

impl Neighbours {
    pub(super) fn start(ci_secret: &str) -> anyhow::Result<Self> {
        let mut ado = ado::World::new(7, ado::Options::loopback());
        ado.create_organization(ORGANIZATION);
        let project = ado.create_project(ORGANIZATION, "Fabrikam");
        let repository = ado.create_repository(&project, "web");
        let person = ado.create_identity("Jo Doe", "jo@fabrikam.example");
        ado.act_as(&person);
        ado.push(&repository, "main", "Begin");
        ado.add_pat(PAT, &person, &["vso.code"], VALID_UNTIL_MS);
        let mut entra = entra::World::new(7);
        let client_id = entra.add_app();
        entra.add_secret(&client_id, CLIENT_SECRET);
        add_service_user(&mut ado, &mut entra, "CI Gateway", SERVICE_USER);
        let mut ci = ci::World::new(7);
        ci.set_secrets(&[ci_secret]);
        let shell = Shell::start_with_entra(ado, ci, entra, None)?;
        Ok(Self { shell, client_id, repository, project })
    }

    pub(super) fn organization_url(&self) -> String {
        self.shell.ado(|ado| ado.organization_url(ORGANIZATION))
    }

    /// Creates the hooks as an operator would, over REST, with the passwords that the gateway
    /// derives for them.
    pub(super) async fn subscribe(&self, gateway: &str, keys: &Keyring) -> anyhow::Result<()> {
        let http = reqwest::Client::new();
        let url = format!("{}/_apis/hooks/subscriptions?api-version=7.1", self.organization_url());
        for event_type in ["git.push", "git.pullrequest.created", "git.pullrequest.updated"] {
            let hook = event_type.replace('.', "-");
            let body = json!({
                "publisherId": "tfs",
                "eventType": event_type,
                "resourceVersion": "1.0",
                "consumerId": "webHooks",
                "consumerActionId": "httpRequest",
                "publisherInputs": { "projectId": self.project },
                "consumerInputs": {
                    "url": format!("{gateway}/hooks/azure-devops/{ORGANIZATION}/{hook}"),
                    "basicAuthUsername": "azure-devops",
                    "basicAuthPassword": keys.hook_password(ORGANIZATION, &hook).expose(),
                    "resourceDetailsToSend": "all",
                },
            });
            let request = http.post(&url).basic_auth("", Some(PAT)).json(&body);
            let answer = request.send().await.context("the played Azure DevOps does not answer")?;
            if !answer.status().is_success() {
                bail!("subscribing to {event_type}: {}", answer.text().await?);
            }
        }
        Ok(())
    }
}
