//! `azdo-gateway` makes any CI a first-class Azure DevOps check. This is the map, in reading order.

/// NEIGHBOUR: Azure DevOps REST.
pub mod ado;
/// The composition root: options → store, clients, workers, server; and their ordered stop.
pub mod app;
/// NEIGHBOUR: CI systems.
pub mod ci;
/// EDGE: the command line, one file per subcommand.
pub mod cli;
/// The only place that asks what time it is.
pub mod clock;
/// TOML and environment → typed options; every error at once.
pub mod config;
/// Who we are to Azure DevOps.
pub mod credentials;
/// What the composition root hands to every part.
pub mod deps;
/// THE RULES: pure decisions about events, checks, runs and statuses.
pub mod domain;
/// What is wrong with each organization now, for `/readyz`, the API and metrics.
pub mod health;
/// THE FLOW: accept, decide, dispatch, observe, publish.
pub mod pipeline;
/// Who goes first where there are fewer cores than work.
pub mod priority;
/// THE UPKEEP: what is wanted against what is there.
pub mod reconcile;
/// Values that must never be seen, and what is derived from the root key.
pub mod secret;
/// EDGE: HTTP.
pub mod server;
/// NEIGHBOUR: durable state.
pub mod storage;
/// Logs and metrics.
pub mod telemetry;
/// The one loop that drives every stage and reconciler.
pub mod worker;
