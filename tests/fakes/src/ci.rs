//! A CI system that is started by webhook and reports back, by the contract in docs/ci.md.
//!
//! It stands for any program that is written against the contract: it verifies requests strictly,
//! answers a repeated trigger alike, and can misbehave as CI systems do.

/// What the CI does with one run.
pub mod behaviour;
/// Whether a trigger follows the contract.
mod contract;
/// Reports: planned, to be sent, and answered.
pub mod report;
/// Planning reports, sending them in order, repeating them.
mod reporting;
/// Standard Webhooks signatures.
pub mod signature;
/// One run as the CI knows it.
pub mod start;
#[cfg(test)]
mod tests;
/// The state of the CI, and its answers to triggers.
pub mod world;

pub use behaviour::Behaviour;
pub use report::Report;
pub use start::{Options, Start};
pub use world::World;
