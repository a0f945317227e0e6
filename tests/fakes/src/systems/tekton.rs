//! Tekton: PipelineRuns through the API of Kubernetes, and an EventListener that starts them.

/// The EventListener.
mod listener;
/// PipelineRuns: created, shown, cancelled.
mod pipeline_runs;
/// Errors as the API of Kubernetes words them.
mod refusal;
/// Which request goes where.
mod route;
#[cfg(test)]
mod tests;
/// The state.
pub mod world;

pub use world::World;
