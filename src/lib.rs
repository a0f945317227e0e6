//! `azdo-gateway` makes any CI a first-class Azure DevOps check. This is the map, in reading order.

/// NEIGHBOUR: Azure DevOps REST.
pub mod ado;
/// NEIGHBOUR: CI systems.
pub mod ci;
/// TOML and environment → typed options; every error at once.
pub mod config;
/// Who we are to Azure DevOps.
pub mod credentials;
/// THE RULES: pure decisions about events, checks, runs and statuses.
pub mod domain;
/// Values that must never be seen, and what is derived from the root key.
pub mod secret;
/// EDGE: HTTP.
pub mod server;
/// NEIGHBOUR: durable state.
pub mod storage;
