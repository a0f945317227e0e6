//! Recognizes test deliveries, which the "Test" button of Azure DevOps sends.
//!
//! They look like pushes and pull requests of a company named Fabrikam and would start real runs
//! where a check watches every repository.

use super::lenient::{Raw, is_zero, text};
use super::wire::Body;

/// Event ids of the samples of Microsoft Learn, "Service hooks events", which "Test" sends as they
/// are; the last one is the placeholder that the page shows today.
const EVENT_IDS: [&str; 6] = [
    "03c164c2-8912-4d5e-8009-3707d5f83734", // git.push
    "2ab4e3d3-b7a6-425e-92b1-5a9982c1269e", // git.pullrequest.created
    "af07be1b-f3ad-44c8-a7f1-c4835f2df06b", // git.pullrequest.updated, and comments
    "6872ee8c-b333-4eff-bfb9-0d5274943566", // git.pullrequest.merged
    "4a5d99d6-1c75-4e53-91b9-ee80057d4ce3", // build.complete
    "a0a0a0a0-bbbb-cccc-dddd-e1e1e1e1e1e1",
];

/// Repositories of the same samples, for test deliveries with an event id of their own.
const REPOSITORY_IDS: [&str; 2] = [
    "278d5cd2-584d-4b63-824a-2ba458937249", // git.push
    "4bc14d40-c903-45e2-872e-0462c7748079", // git.pullrequest.*
];

/// Whether a body is a test delivery: its subscription id is zero, or its event id is a sample.
pub(super) fn is_test(body: &Body<'_>) -> bool {
    let is_sample = |id: &str| EVENT_IDS.iter().any(|sample| id.ends_with(sample));
    is(body.subscription_id, is_zero) || is(body.id, is_sample)
}

/// Whether a repository id is one of a sample.
pub(super) fn is_sample_repository(id: &str) -> bool {
    REPOSITORY_IDS.contains(&id)
}

fn is(raw: Raw<'_>, holds: impl Fn(&str) -> bool) -> bool {
    text(raw).is_some_and(|id| holds(&id.to_ascii_lowercase()))
}
