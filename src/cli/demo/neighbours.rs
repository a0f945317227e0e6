//! The played neighbours and what stands in them before the story begins. It must never reach into
//! the gateway, nor make what the gateway makes itself: hooks and policies.

use fakes::ado::SubscriptionStatus;
use fakes::ado::hooks::Subscription;
use fakes::bearers::add_service_user;
use fakes::shell::Shell;
use fakes::{ado, ci, entra};

/// Of the app that the gateway is in Entra.
pub(super) const CLIENT_SECRET: &str = "client-secret-of-the-played-app-0000";
/// The account in whose name the gateway acts.
pub(super) const SERVICE_USER: &str = "svc-ci@fabrikam.example";
pub(super) const ORGANIZATION: &str = "fabrikam";

/// Azure DevOps, Entra and the CI behind one port.
pub(super) struct Neighbours {
    pub(super) shell: Shell,
    pub(super) client_id: String,
    pub(super) repository: String,
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
        let mut entra = entra::World::new(7);
        let client_id = entra.add_app();
        entra.add_secret(&client_id, CLIENT_SECRET);
        add_service_user(&mut ado, &mut entra, "CI Gateway", SERVICE_USER);
        let mut ci = ci::World::new(7);
        ci.set_secrets(&[ci_secret]);
        let shell = Shell::start_with_entra(ado, ci, entra, None)?;
        Ok(Self { shell, client_id, repository })
    }

    pub(super) fn organization_url(&self) -> String {
        self.shell.ado(|ado| ado.organization_url(ORGANIZATION))
    }

    /// The gateway's subscriptions at Azure DevOps: type of event, id, and whether each delivers.
    pub(super) fn hooks(&self) -> Vec<Hook> {
        let hook = |one: &Subscription| Hook {
            event_type: one.event_type.clone(),
            id: one.id.clone(),
            status: one.status,
        };
        self.shell.ado(|ado| ado.subscriptions().map(hook).collect())
    }
}

/// A subscription as people see it in the portal.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) event_type: String,
    pub(super) id: String,
    pub(super) status: SubscriptionStatus,
}
