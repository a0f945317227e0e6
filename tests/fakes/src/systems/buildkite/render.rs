//! Builds as JSON, from what the world knows of them.

use serde_json::{Map, Value, json};

use super::{Build, State, World};
use crate::http::Request;
use crate::random::Random;
use crate::timestamp::rfc3339;

/// Buildkite's own word for the state that the API shows: never `blocked`.
pub(super) fn state(world: &World, build: &Build) -> String {
    let shown = world.details.get(&build.number).and_then(|details| details.shown.as_ref());
    if let Some((_, word)) = shown.filter(|(state, _)| *state == build.state) {
        return word.clone();
    }
    match build.state {
        State::Queued => "scheduled",
        State::Running if build.cancels > 0 => "canceling",
        State::Running => "running",
        State::Succeeded => "passed",
        State::Failed => "failed",
        State::Errored => "not_run",
        State::Cancelled => "canceled",
    }
    .to_owned()
}

/// Whether it waits at a block step.
pub(super) fn is_blocked(world: &World, build: &Build) -> bool {
    build.state == State::Running
        && world.details.get(&build.number).is_some_and(|details| details.is_blocked)
}

/// The build with the parts that the query leaves in.
pub(super) fn build_for(world: &World, one: &Build, request: &Request) -> Value {
    let keeps =
        |name: &str| !request.query.iter().any(|(key, value)| key == name && value == "true");
    build(world, one, keeps("exclude_jobs"), keeps("exclude_pipeline"))
}

/// The build, with or without its jobs and its pipeline.
pub(super) fn build(world: &World, build: &Build, with_jobs: bool, with_pipeline: bool) -> Value {
    let known = world.details.get(&build.number);
    let word = state(world, build);
    let number = build.number;
    let id = Random::seeded(world.seed.wrapping_mul(1_000_003) ^ number).guid();
    let url = format!("{}/builds/{number}", pipeline_url(world));
    let web_url =
        format!("{}/{}/{}/builds/{number}", world.base_url, world.organization(), world.pipeline());
    let has_started = build.state != State::Queued && word != "skipped";
    let after =
        |is_so: bool, ms| if is_so { json!(time(build.started_ms + ms)) } else { json!(null) };
    let author = known.map(|details| details.author.clone()).unwrap_or_default();
    let mut json = json!({
        "id": id,
        "graphql_id": format!("QnVpbGQtLS0={number}"),
        "url": url,
        "web_url": web_url,
        "number": number,
        "state": word,
        "blocked": is_blocked(world, build),
        "cancel_reason": known.and_then(|details| details.cancel_reason.clone()),
        "message": known.and_then(|details| details.message.clone()),
        "commit": build.commit,
        "branch": build.git_ref,
        "tag": null,
        "env": known.map(|details| details.env.clone()),
        "source": "api",
        "creator": sender(world),
        "author": author,
        "created_at": time(build.started_ms),
        "scheduled_at": time(build.started_ms),
        "started_at": after(has_started, 1_000),
        "failing_at": after(word == "failing", 1_500),
        "finished_at": after(build.state.is_final(), 2_000),
        "meta_data": known.map(|details| details.meta_data.clone()),
        "pull_request": known.map(|details| details.pull_request.clone()),
        "rebuilt_from": null,
    });
    let parts = json.as_object_mut();
    if let Some(parts) = parts {
        add_parts(world, parts, with_jobs, with_pipeline, &web_url);
    }
    json
}

fn add_parts(
    world: &World,
    parts: &mut Map<String, Value>,
    with_jobs: bool,
    with_pipeline: bool,
    web_url: &str,
) {
    if with_jobs {
        let state = parts.get("state").cloned().unwrap_or_default();
        let job = json!({
            "id": Random::seeded(world.seed ^ 0x10B).guid(),
            "type": "script",
            "name": "Tests",
            "step_key": "tests",
            "state": state,
            "web_url": format!("{web_url}#tests"),
            "command": "scripts/test.sh",
            "soft_failed": false,
            "exit_status": null,
        });
        parts.insert("jobs".to_owned(), json!([job]));
    }
    if with_pipeline {
        parts.insert("pipeline".to_owned(), pipeline(world));
    }
}

/// The pipeline.
pub(super) fn pipeline(world: &World) -> Value {
    let url = pipeline_url(world);
    json!({
        "id": Random::seeded(world.seed ^ 0x919E).guid(),
        "url": url,
        "web_url": format!("{}/{}/{}", world.base_url, world.organization(), world.pipeline()),
        "name": "Web",
        "slug": world.pipeline(),
        "repository": "https://dev.azure.com/fabrikam/Fabrikam/_git/web",
        "branch_configuration": world.branch_filter,
        "default_branch": "main",
        "provider": {"id": "custom", "webhook_url": "", "settings": {}},
        "skip_queued_branch_builds": world.skips_intermediate,
        "skip_queued_branch_builds_filter": null,
        "cancel_running_branch_builds": world.cancels_intermediate,
        "cancel_running_branch_builds_filter": null,
        "builds_url": format!("{url}/builds"),
    })
}

/// The person whose token it is.
pub(super) fn sender(world: &World) -> Value {
    json!({
        "id": Random::seeded(world.seed ^ 0x5E9D).guid(),
        "name": "azdo-gateway",
        "email": "gateway@fabrikam.example",
    })
}

fn pipeline_url(world: &World) -> String {
    format!(
        "{}/v2/organizations/{}/pipelines/{}",
        world.base_url,
        world.organization(),
        world.pipeline()
    )
}

/// `2015-05-09T21:05:59.874Z`.
fn time(at_ms: i64) -> String {
    let text = rfc3339(at_ms);
    format!("{}Z", text.strip_suffix("0000Z").unwrap_or(&text))
}
