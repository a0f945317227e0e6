//! Argo Workflows: workflows that are submitted from one template.

/// Which request goes where, and errors as the server words them.
mod route;
#[cfg(test)]
mod tests;
/// Workflows: submitted, shown, stopped.
mod workflows;
/// The state.
pub mod world;

pub use world::World;
