//! Airflow 3: runs of one DAG, whose ids the callers choose.

/// Signing in with a name and a password, for a token.
mod login;
/// Errors as Airflow words them.
mod refusal;
/// Which request goes where.
mod route;
/// Runs: started, listed, changed.
mod runs;
#[cfg(test)]
mod tests;
/// Bodies that have to fit their schema exactly.
mod validation;
/// The state.
pub mod world;

pub use world::World;
