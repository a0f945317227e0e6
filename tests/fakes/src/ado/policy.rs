//! Branch policies (docs/azure-devops.md §5).
//!
//! Only the status policy is evaluated; others are stored and shown.

/// A policy and its settings.
pub mod configuration;
/// What each policy evaluates to for a pull request.
mod evaluation;
/// Branch policies over REST.
mod rest;
/// Whether a policy may be configured as asked.
mod validation;

pub use configuration::{EvaluationStatus, Policy, STATUS_POLICY};
