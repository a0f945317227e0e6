//! A gateway and fakes of their own for one measurement: configured, started, linked, and asked at
//! the end whether anything is left over.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;

use super::mode::Mode;
use super::options::Options;
use super::pull_requests::{ORGANIZATIONS, create_repositories};
use crate::fakes::{Fakes, link};
use crate::gateway::{Gateway, Settings};
use crate::options::program;
use crate::postgres::Postgres;
use crate::processes::Processes;
use crate::replicas::Replicas;
use crate::server::free_address;
use crate::system::System;

const CI_SECRET: &str = "whsec_bG9hZHRlc3QtbG9hZHRlc3QtbG9hZHRlc3QtbG9hZHRlc3Q=";

/// See the module.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) mode: Mode,
    pub(super) fakes: Fakes,
    pub(super) gateway: Gateway,
    pub(super) replicas: Replicas,
}

impl Environment {
    /// Each call to Azure DevOps takes `delay`; runs are started at `ci`.
    pub(super) async fn start(
        mode: Mode,
        system: System,
        options: &Options,
        delay: Duration,
        ci: &TcpListener,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let how = "cargo build --release -p fakes";
        let fakes = program(options.fakes.as_ref(), "fakes", how)?;
        let fakes = Fakes::start(&fakes, address, delay).await?;
        fakes.expect_single_use(mode.is_single_use()).await?;
        create_repositories(&fakes).await?;
        let (credential, secret) = mode.credential(&fakes.app().await?, &fakes.url());
        let settings = Settings {
            address,
            organizations: ORGANIZATIONS.to_vec(),
            azure_devops_url: fakes.url(),
            credential,
            checks: checks(ci.local_addr()?),
            environment: vec![secret, ("LOADTEST_CI_SECRET", CI_SECRET.to_owned())],
        };
        let store = options.systems.create(system, &options.common, false)?;
        let gateway = Gateway::prepare(&options.common, store, settings)?;
        let (replicas, _) = gateway.serve(false).await?;
        if mode.is_linked() {
            for organization in ORGANIZATIONS {
                link(address, organization).await?;
            }
        }
        Ok(Self { mode, fakes, gateway, replicas })
    }

    pub(super) fn system(&self) -> System {
        self.gateway.store.system
    }

    /// All that work but the fakes.
    pub(super) fn processes(&self) -> Processes {
        let postgres = self.gateway.store.postgres.as_ref();
        self.replicas.processes(postgres.map(Postgres::id))
    }

    /// Stops the gateway; what is wrong with what it leaves.
    pub(super) async fn finish(self) -> anyhow::Result<Vec<String>> {
        let Self { mode, fakes, gateway, replicas } = self;
        let mut problems = replicas.stop().await?;
        let tokens = fakes.control.get("/_fake/pats/count").await?;
        let count = |key| tokens.get(key).and_then(Value::as_u64).unwrap_or_default();
        for (count, what) in [(count("active"), "left over"), (count("used_more"), "used twice")] {
            if count > 0 && mode.is_single_use() {
                problems.push(format!("{count} tokens were {what}"));
            }
        }
        let violations = fakes.control.get("/_fake/violations").await?;
        problems.extend(violations.as_array().into_iter().flatten().take(3).map(Value::to_string));
        if mode.is_linked() {
            println!("  {mode}, {}: tokens {tokens}", gateway.store.system);
        }
        Ok(problems)
    }
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
