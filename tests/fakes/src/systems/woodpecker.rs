//! Woodpecker: pipelines of one repository, started by hand.

/// Pipelines as they are answered.
mod render;
/// Which request goes where.
mod route;
/// Starting a pipeline.
mod start;
#[cfg(test)]
mod tests;
/// The state.
pub mod world;

pub use world::World;
