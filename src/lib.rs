//! `azdo-gateway` makes any CI a first-class Azure DevOps check. This is the map, in reading order.

/// NEIGHBOUR: Azure DevOps REST.
pub mod ado;
/// NEIGHBOUR: CI systems.
pub mod ci;
/// The only place that asks what time it is.
pub mod clock;
/// Who we are to Azure DevOps.
pub mod credentials;
/// THE RULES: pure decisions about events, checks, runs and statuses.
pub mod domain;
/// THE FLOW: accept, decide, dispatch, observe, publish.
pub mod pipeline;
/// THE UPKEEP: what is wanted against what is there.
pub mod reconcile;
/// Values that must never be seen, and what is derived from the root key.
pub mod secret;
/// EDGE: HTTP.
pub mod server;
/// NEIGHBOUR: durable state.
pub mod storage;
/// The one loop that drives every stage and reconciler.
pub mod worker;
