//! The played neighbours and what stands in them before the story begins. It must never reach into
//! the gateway: it only knows its address and the passwords of its hooks, as Azure DevOps does.

use anyhow::{Context, bail};
use fakes::shell::Shell;
use fakes::{ado, ci};
use serde_json::json;

use crate::secret::Keyring;

/// The token of the identity that the gateway uses; it opens nothing but the played organization.
pub(super) const PAT: &str = "demo-pat-of-the-played-organization-0000000000000000";
const ORGANIZATION: &str = "fabrikam";
/// Long enough for a demo.
const VALID_UNTIL_MS: i64 = 4_102_444_800_000;

/// Azure DevOps and the CI behind one port.
pub(super) struct Neighbours {
    pub(super) shell: Shell,
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
        let identity = ado.create_identity("CI Gateway", "svc-ci@fabrikam.example");
        ado.add_pat(PAT, &identity, &["vso.code", "vso.code_status"], VALID_UNTIL_MS);
        let mut ci = ci::World::new(7);
        ci.set_secrets(&[ci_secret]);
        Ok(Self { shell: Shell::start(ado, ci, None)?, repository, project })
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
