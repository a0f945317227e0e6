//! TeamCity: builds of one configuration, started through the build queue.

/// Which parts of an answer were asked for.
mod fields;
/// Locators, by which builds are found.
mod locator;
/// Errors as TeamCity words them, and answers in JSON or XML.
mod refusal;
/// Builds as they are answered.
mod render;
/// Which request goes where.
mod route;
/// Starting a build.
mod start;
#[cfg(test)]
mod tests;
/// The state.
pub mod world;

pub use world::World;
