//! A gateway with a check for everything in the scene, which is told where its neighbours are. It
//! must never load it.

use std::net::SocketAddr;
use std::path::Path;

use super::scene::ORGANIZATIONS;
use crate::fakes::Fakes;
use crate::gateway::{Gateway, Setting, organization_table};
use crate::profiles::credentials::mode::Mode;

const CI_SECRET: &str = "whsec_bG9hZHRlc3QtbG9hZHRlc3QtbG9hZHRlc3QtbG9hZHRlc3Q=";

/// Writes the configuration into `folder`, for the addresses of the gateway and of the CI.
pub(super) async fn prepare(
    mode: Mode,
    fakes: &Fakes,
    program: &Path,
    folder: &Path,
    (address, ci): (SocketAddr, SocketAddr),
) -> anyhow::Result<Gateway> {
    let app = fakes.app().await?;
    let credential = mode.credential(&app, &fakes.url());
    let [first, others @ ..] = ORGANIZATIONS;
    let url = |organization: &str| format!("{}/{organization}", fakes.url());
    let mut more: String =
        others.iter().map(|name| organization_table(name, &url(name), &credential)).collect();
    more.push_str(&checks(ci));
    let mut environment = mode.environment();
    environment.push(("LOADTEST_CI_SECRET", CI_SECRET.to_owned()));
    let azure_devops_url = url(first);
    let setting =
        Setting { address, organization: first, azure_devops_url, credential, more, environment };
    Gateway::prepare(program, folder, setting)
}

/// One check for every repository, shown in both places, and the CI that runs it.
fn checks(ci: SocketAddr) -> String {
    let check = |organization| {
        format!(
            "[[check]]\nname = \"unit-tests\"\ngenre = \"ci\"\norganization = \"{organization}\"\n\
             repositories = [\"*/*\"]\non = [\"pull_request\"]\n\
             statuses = [\"pull_request\", \"commit\"]\nci = \"builder\"\n"
        )
    };
    let checks: String = ORGANIZATIONS.iter().map(check).collect();
    format!(
        "{checks}[ci.builder]\nkind = \"webhook\"\nurl = \"http://{ci}/start\"\n\
         secret = {{ env = \"LOADTEST_CI_SECRET\" }}\n"
    )
}
