//! Decisions: stories about pull requests and pushes, told to a small memory, and what must hold
//! whatever is told.

mod catch_up;
mod catch_up_properties;
mod exemptions;
mod pull_request_properties;
mod pull_requests;
mod pushes;
mod world;
