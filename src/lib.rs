//! `azdo-gateway` makes any CI a first-class Azure DevOps check.
//!
//! The modules stand in the order in which to read them: the rules first, then the flow that
//! applies them, what the flow talks to, and the edges. (rustfmt sorts `mod` lines that are not
//! separated by a blank line.)

/// THE RULES: pure decisions about events, checks, runs, statuses, subscriptions and policies.
pub mod domain;

/// THE FLOW of a delivery: accept, decide, dispatch, observe, publish.
pub mod pipeline;

/// RECONCILERS: compare the desired state with the actual one and remove the difference.
pub mod reconcile;

/// The credentials with which the gateway calls Azure DevOps.
pub mod credentials;

/// NEIGHBOUR: the REST API of Azure DevOps.
pub mod ado;

/// NEIGHBOUR: CI systems.
pub mod ci;

/// NEIGHBOUR: the store, where everything durable is.
pub mod storage;

/// EDGE: the HTTP server.
pub mod server;

/// EDGE: the command line, one file per subcommand.
pub mod cli;

/// TOML and environment variables → typed options; reports all errors at once.
pub mod config;

/// The composition root: options → store, clients, workers and server, and their ordered stop.
pub mod app;

/// What the composition root hands to every part.
pub mod deps;

/// The loop that drives every stage and reconciler.
pub mod worker;

/// What has changed, for those who watch.
pub mod changes;

/// How much happened in each minute.
pub mod series;

/// The current problems of each organization, for `/readyz`, the API and metrics.
pub mod health;

/// Secrets that are never printed, and the keys that are derived from the root key.
pub mod secret;

/// The only place that reads the system time.
pub mod clock;

/// Random numbers that spread retries over time.
pub mod jitter;

/// Logs and metrics.
pub mod telemetry;

/// Text from outside, made safe to print.
pub mod printable;

/// The priority of threads.
pub mod priority;

/// Core dumps and open files of this process.
pub mod process;
