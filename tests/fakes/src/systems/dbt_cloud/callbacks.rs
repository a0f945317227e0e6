//! Webhooks of a subscription to started, completed and errored runs.
//!
//! The header `Authorization` is the signature of the body, without a word before it. Ids are
//! texts, and there is no commit, pull request or address.

use serde_json::{Value, json};

use super::{ACCOUNT, ENVIRONMENT, JOB, PROJECT, World, render};
use crate::http::Request;
use crate::random::Random;
use crate::systems::signed::hex_hmac_sha256;
use crate::systems::{Build, State};
use crate::timestamp::rfc3339;

/// The webhooks about the present state of a run; the last tells most.
pub(super) fn all(world: &World, number: u64, now_ms: i64) -> Vec<Request> {
    let Some(build) = world.builds.get(number) else { return Vec::new() };
    let events: &[&str] = match build.state {
        State::Queued => &[],
        State::Running => &["job.run.started"],
        State::Succeeded => &["job.run.completed"],
        // The second comes when the artifacts have been taken in.
        State::Failed | State::Errored => &["job.run.errored", "job.run.completed"],
        State::Cancelled if world.reports_cancelled => &["job.run.completed"],
        State::Cancelled => &[],
    };
    events.iter().map(|event| webhook(world, build, event, now_ms)).collect()
}

fn webhook(world: &World, build: &Build, event: &str, now_ms: i64) -> Request {
    let (code, _) = render::status(world, build);
    let status = match code {
        10 => "Success",
        20 => "Errored",
        30 => "Cancelled",
        _ => "Running",
    };
    let cause = world.details.get(&build.number).and_then(|run| run.trigger.get("cause"));
    let mut data = json!({
        "jobId": JOB.to_string(),
        "jobName": "Pull requests",
        "runId": build.number.to_string(),
        "environmentId": ENVIRONMENT.to_string(),
        "environmentName": "CI",
        "dbtVersion": "latest",
        "projectName": "Web",
        "projectId": PROJECT.to_string(),
        "runStatus": status,
        "runStatusCode": code,
        "runStatusMessage": render::message(world, build),
        "runReason": cause,
        "runStartedAt": seconds(build.started_ms + 1_000),
    });
    let end = match event {
        "job.run.completed" => Some("runFinishedAt"),
        "job.run.errored" => Some("runErroredAt"),
        _ => None,
    };
    if let (Some(key), Some(data)) = (end, data.as_object_mut()) {
        data.insert(key.to_owned(), Value::String(seconds(build.started_ms + 2_000)));
    }
    let kind = event.len() as u64;
    let mut random = Random::seeded(world.seed ^ build.number.rotate_left(20) ^ kind);
    let id = random.text(super::LETTERS.get(..62).unwrap_or_default(), 27);
    let subscription = Random::seeded(world.seed ^ 0x50B).text(b"abcdefgh12345678", 27);
    let timestamp = rfc3339(now_ms).replace("0000Z", "000123Z");
    let body = json!({
        "accountId": ACCOUNT,
        "webhooksID": format!("wsu_{subscription}"),
        "eventId": format!("wev_{id}"),
        "timestamp": timestamp,
        "eventType": event,
        "webhookName": "azdo-gateway",
        "data": data,
    });
    let request = Request::new("POST", "").with_json(&body);
    let signature = hex_hmac_sha256(&world.hmac_secret, &request.body);
    request.with_header("Authorization", &signature)
}

/// `2023-01-31T19:28:07Z`.
fn seconds(at_ms: i64) -> String {
    let text = rfc3339(at_ms);
    format!("{}Z", text.split('.').next().unwrap_or_default())
}
