//! ONE integration binary: what users, operators and neighbours of the gateway can rely on.
//!
//! The tests reach the gateway as they do: over HTTP, by the command line and through the store's
//! interface. The crate `fakes` has fakes of the neighbours. No test waits for time to pass; each
//! waits for something to happen.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do"
)]

/// Each kind of CI against its fake: start, look up, poll, cancel, callback, refusals.
mod adapters;
/// The pages in a real browser.
mod browser;
/// A real Buildbot, through kind `http`.
mod buildbot;
/// Seeded faults at every neighbour, and afterwards no lost event, no run twice, all states final.
mod chaos;
/// The same stories for every kind of CI that has an API.
mod ci;
/// The command line.
mod cli;
/// The binary, killed at any request and started again.
mod crash;
/// A gateway and fakes of its neighbours, ready to be used by a test.
mod harness;
/// `/openapi.json`, compared with the answers.
mod openapi;
/// The runner of this program, and what it executes.
mod runner;
/// The gateway's requests to Azure DevOps, compared with its OpenAPI documents.
mod specs;
/// The conformance suite of the storage engines.
mod storage;
/// What users and operators see, from event to status.
mod stories;
/// The source itself: imports, cycles, names, headers, documents.
mod tidy;
/// Pages, as a browser gets them.
mod ui;
