//! The test harness: fake neighbours and a gateway, ready to be used by a test.
//!
//! `Env` holds the fakes of Azure DevOps, Entra and the CI, with an organization, a project, a
//! repository and hooks. A gateway runs in the process of the test (`InProcess`) or as the real
//! binary (`Binary`), or as several of them behind a load balancer (`Replicas`); `Gateway` is what
//! the storage engine of a story asks for. A PostgreSQL is there as a `Database` or a `Cluster`.
//! Tests reach the gateway through its public interfaces only.

mod actions;
mod api;
mod balancer;
mod binary;
/// Certificates for TLS.
pub(crate) mod certificates;
mod cut;
mod env;
mod event_stream;
mod gateway;
mod hooks;
mod in_process;
mod invariants;
mod linking;
mod native;
/// Parts of a gateway, set up on their own.
pub(crate) mod parts;
/// Bodies of deliveries that the fake Azure DevOps does not send by itself.
pub(crate) mod payloads;
mod ports;
mod postgres;
mod replicas;
mod reverse_proxy;
mod settings;

pub(crate) use api::Api;
pub(crate) use balancer::Balancer;
pub(crate) use binary::{Binary, binary_path, inheriting_command};
pub(crate) use cut::{At, Cut, Fault, Kind, Moment};
pub(crate) use env::{Env, ORGANIZATION, SERVICE_USER};
pub(crate) use event_stream::EventStream;
pub(crate) use gateway::{Gateway, on_postgres};
pub(crate) use in_process::InProcess;
pub(crate) use invariants::{check_invariants, check_invariants_with_rebuilds, newest_status};
pub(crate) use linking::{Browser, PageResponse};
pub(crate) use native::compile_c;
pub(crate) use ports::free_port;
pub(crate) use postgres::{Cluster, Database, PgBouncer, Server, Stop};
pub(crate) use replicas::Replicas;
pub(crate) use reverse_proxy::{Program, ReverseProxy};
pub(crate) use settings::{
    CLIENT_SECRET, OPERATOR, PAT, REPORTER, ROOT_KEY, RUNNER, STATIC_PAT, Settings, VIEWER, check,
};

use std::time::Duration;

/// How long a test waits for something that has to happen before the test fails. Longer than the
/// lease of a slot, which is waited out after an outage; only a failing test waits this long.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// How often a condition is polled that cannot be waited for otherwise.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);
