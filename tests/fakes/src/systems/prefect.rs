//! Prefect 3: flow runs of one deployment.

/// Flow runs: created, found, asked to change their state.
mod flow_runs;
/// Which request goes where, and who may ask.
mod route;
#[cfg(test)]
mod tests;
/// The state.
pub mod world;

pub use world::World;
