//! The fakes of Azure DevOps, Entra and the CI, with what is there before the demo begins. They
//! have no hooks and no policies: the gateway creates those.

use fakes::ado::SubscriptionStatus;
use fakes::ado::hooks::Subscription;
use fakes::bearers::add_service_user;
use fakes::shell::Shell;
use fakes::{ado, ci, entra};

/// The client secret of the gateway's app in Entra.
pub(super) const CLIENT_SECRET: &str = "client-secret-of-the-fake-app-0000000";
/// The account that the gateway calls Azure DevOps as.
pub(super) const SERVICE_USER: &str = "svc-ci@fabrikam.example";
pub(super) const ORGANIZATION: &str = "fabrikam";

/// See the module. All of them listen on one port.
pub(super) struct FakeSystems {
    pub(super) shell: Shell,
    pub(super) client_id: String,
    pub(super) repository: String,
}

impl FakeSystems {
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

    /// The subscriptions of the gateway at Azure DevOps.
    pub(super) fn hooks(&self) -> Vec<Hook> {
        let hook = |one: &Subscription| Hook {
            event_type: one.event_type.clone(),
            id: one.id.clone(),
            status: one.status,
        };
        self.shell.ado(|ado| ado.subscriptions().map(hook).collect())
    }
}

/// A subscription as the portal shows it.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) event_type: String,
    pub(super) id: String,
    pub(super) status: SubscriptionStatus,
}
