//! ONE integration binary: what users, operators and neighbours of the gateway can rely on.
//!
//! It reaches the gateway as they do, over HTTP, the command line and the store's interface; the
//! neighbours are played by the crate `fakes`. It must never wait for time to pass, only for
//! something to happen.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do"
)]

/// Seeded faults at every neighbour, then quiet: nothing lost, nothing doubled, all final.
mod chaos;
/// The command line.
mod cli;
/// The real process, killed at any request and started again.
mod crash;
/// A gateway and its played neighbours, ready to be used by a test.
mod harness;
/// The contract for programs, held against the answers.
mod openapi;
/// Our requests to Azure DevOps, held against its OpenAPI documents.
mod specs;
/// What every storage engine has to do.
mod storage;
/// What users and operators see, from event to status.
mod stories;
/// The source itself: layers, sizes, headers, words.
mod tidy;
