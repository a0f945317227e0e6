//! Decisions: stories about pull requests and pushes, decided against a small memory, and
//! properties that hold for any deliveries.

mod catch_up;
mod catch_up_properties;
mod comments;
mod exemptions;
mod paths;
mod pull_request_properties;
mod pull_requests;
mod pushes;
mod world;
