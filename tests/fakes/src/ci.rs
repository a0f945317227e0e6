//! A CI system that is started by webhook and reports back (design §6.2).
//!
//! It stands for any program that somebody outside writes against the contract, so it verifies
//! strictly, answers the same run twice, and can behave as badly as CI systems do. It must never
//! know how the gateway works inside.

/// How the CI behaves towards one run.
pub mod behaviour;
/// The trigger: is it what the contract says?
mod contract;
/// Reports: planned, to be sent, and answered.
pub mod report;
/// When reports are planned and sent.
mod reporting;
/// Standard Webhooks signatures.
pub mod signature;
/// One run as the CI knows it.
pub mod start;
#[cfg(test)]
mod tests;
/// What was started, and what is answered.
pub mod world;

pub use behaviour::Behaviour;
pub use report::Report;
pub use start::{Options, Start};
pub use world::World;
