//! Runs and jobs as JSON, from what the world knows of them.

use serde_json::{Value, json};

use super::{ACCOUNT, ENVIRONMENT, JOB, PROJECT, World};
use crate::http::Request;
use crate::systems::{Build, State};
use crate::timestamp::rfc3339;

/// The related objects that a request asks for.
pub(super) fn related(request: &Request) -> Vec<&str> {
    let given = request.query.iter().find(|(key, _)| key == "include_related");
    given.map_or_else(Vec::new, |(_, value)| value.split(',').collect())
}

/// The status code of a run and its name.
pub(super) fn status(world: &World, build: &Build) -> (u8, &'static str) {
    let is_starting = world.details.get(&build.number).is_some_and(|run| run.is_starting);
    match build.state {
        State::Queued if is_starting => (2, "Starting"),
        State::Queued => (1, "Queued"),
        State::Running => (3, "Running"),
        State::Succeeded => (10, "Success"),
        State::Failed | State::Errored => (20, "Error"),
        State::Cancelled => (30, "Cancelled"),
    }
}

/// A run. Related objects are null, and steps are none, unless they are asked for.
pub(super) fn run(world: &World, build: &Build, related: &[&str]) -> Value {
    let (code, name) = status(world, build);
    let asked = |name: &str| related.contains(&name);
    let is_complete = build.state.is_final();
    // Whether a cancelled run had started is not kept: it shows no checkout.
    let has_started = [3, 10, 20].contains(&code);
    let at = |is_so: bool, after_ms: i64| match is_so {
        true => json!(time(world, build.started_ms + after_ms)),
        false => Value::Null,
    };
    let known = |present: bool, value: &str| match present && !value.is_empty() {
        true => json!(value),
        false => Value::Null,
    };
    let details = world.details.get(&build.number);
    let mut trigger = details.map(|run| run.trigger.clone()).unwrap_or_default();
    trigger.insert("job_definition_id".to_owned(), json!(JOB));
    trigger.insert("cause_category".to_owned(), json!("api"));
    json!({
        "id": build.number,
        "trigger_id": build.number + 7,
        "account_id": ACCOUNT,
        "environment_id": ENVIRONMENT,
        "project_id": PROJECT,
        "job_definition_id": JOB,
        "job_id": JOB,
        "status": code,
        "status_humanized": name,
        "status_message": message(world, build),
        "dbt_version": "latest",
        "git_branch": known(true, &build.git_ref),
        "git_sha": known(has_started, &build.commit),
        "blocked_by": blocked_by(world, build),
        "created_at": at(true, 0),
        "updated_at": at(true, 0),
        "dequeued_at": at(has_started, 500),
        "started_at": at(has_started, 1_000),
        "finished_at": at(is_complete, 2_000),
        "should_start_at": at(true, 0),
        "trigger": if asked("trigger") { json!(trigger) } else { Value::Null },
        "job": if asked("job") { internal_job(world) } else { Value::Null },
        "environment": null,
        "run_steps": if asked("run_steps") { steps(world, build) } else { json!([]) },
        "in_progress": !is_complete,
        "is_complete": is_complete,
        "is_success": code == 10,
        "is_error": code == 20,
        "is_cancelled": code == 30,
        "is_running": code == 3,
        "duration": "00:00:02",
        "queued_duration": "00:00:01",
        "run_duration": "00:00:01",
        "href": href(world, build.number),
        "audit": if asked("audit") { audit(build) } else { Value::Null },
    })
}

/// The page of a run.
pub(super) fn href(world: &World, number: u64) -> String {
    format!("{}/deploy/{ACCOUNT}/projects/{PROJECT}/runs/{number}/", world.base_url)
}

/// The text beside the status.
pub(super) fn message(world: &World, build: &Build) -> Value {
    let set = world.details.get(&build.number).and_then(|run| run.message.clone());
    match (set, build.state) {
        (Some(set), _) => json!(set),
        (None, State::Errored) => json!("fatal: reference is not a tree"),
        _ => Value::Null,
    }
}

/// The job as the job's own path shows it.
pub(super) fn job(world: &World) -> Value {
    let time = time(world, 1_700_000_000_000);
    json!({
        "id": JOB,
        "account_id": ACCOUNT,
        "project_id": PROJECT,
        "environment_id": ENVIRONMENT,
        "name": "Pull requests",
        "dbt_version": null,
        "deferring_environment_id": ENVIRONMENT,
        "description": "",
        "execute_steps": ["dbt build --select state:modified+"],
        "execution": {"timeout_seconds": 0},
        "generate_docs": false,
        "is_deferrable": true,
        "job_type": world.job_type,
        "lifecycle_webhooks": false,
        "lifecycle_webhooks_url": null,
        "raw_dbt_version": null,
        "run_compare_changes": false,
        "run_failure_count": 0,
        "run_generate_sources": false,
        "run_lint": false,
        "errors_on_lint_failure": true,
        "settings": {"threads": 4, "target_name": "default"},
        "state": if world.is_job_deleted { 2 } else { 1 },
        "triggers_on_draft_pr": false,
        "triggers": {
            "github_webhook": false,
            "git_provider_webhook": world.has_own_trigger,
            "schedule": false,
            "on_merge": false,
            "custom_branch_only": false,
        },
        "job_completion_trigger_condition": null,
        "created_at": time,
        "updated_at": time,
        "account": null,
        "project": null,
        "environment": null,
        "fusion_readiness": null,
    })
}

/// `2021-11-26 16:48:41.431000+00:00`, or `2021-11-26T16:48:41.431000Z`.
pub(super) fn time(world: &World, at_ms: i64) -> String {
    let text = rfc3339(at_ms);
    let text = text.strip_suffix("0Z").unwrap_or(&text);
    match world.has_blank_in_times {
        true => format!("{}+00:00", text.replace('T', " ")),
        false => format!("{text}Z"),
    }
}

/// The job as runs show it: fewer properties.
fn internal_job(world: &World) -> Value {
    let mut job = job(world);
    if let Some(job) = job.as_object_mut() {
        let kept = [
            "account_id",
            "environment_id",
            "errors_on_lint_failure",
            "execution",
            "generate_docs",
            "lifecycle_webhooks",
            "name",
            "project_id",
            "run_compare_changes",
            "run_generate_sources",
            "run_lint",
            "settings",
            "state",
            "triggers",
            "job_type",
            "execute_steps",
            "description",
            "dbt_version",
            "triggers_on_draft_pr",
        ];
        job.retain(|key, _| kept.contains(&key.as_str()));
    }
    job
}

/// Runs of the job that must end first: jobs that are not for CI run one at a time.
fn blocked_by(world: &World, build: &Build) -> Vec<u64> {
    let is_blocked = build.state == State::Queued && world.job_type != "ci";
    let older = world.builds.all().iter().filter(|other| other.number < build.number);
    older
        .filter(|other| is_blocked && !other.state.is_final() && !other.is_gone)
        .map(|other| other.number)
        .collect()
}

fn audit(build: &Build) -> Value {
    let actor = json!({"actor": {"id": "1", "type": "service_token", "name": "azdo-gateway"}});
    let is_cancelled = build.state == State::Cancelled && build.cancels > 0;
    let cancellation = if is_cancelled { actor.clone() } else { Value::Null };
    json!({"trigger": actor, "cancellation": cancellation})
}

fn steps(world: &World, build: &Build) -> Value {
    let details = world.details.get(&build.number);
    let set = details.and_then(|run| run.steps.clone());
    let steps = set.unwrap_or_else(|| steps_of(world, build));
    let rendered = steps.iter().enumerate().map(|(at, (name, status))| {
        json!({
            "run_id": build.number,
            "account_id": ACCOUNT,
            "index": at + 1,
            "name": name,
            "status": status,
            "logs": if *status == 20 { "Error" } else { "" },
        })
    });
    rendered.collect()
}

/// The steps that a run of that state has: an error of dbt's commands is the code's, one before
/// them is not.
fn steps_of(world: &World, build: &Build) -> Vec<(String, u8)> {
    let details = world.details.get(&build.number);
    let given = details.and_then(|run| run.trigger.get("steps_override")).and_then(Value::as_array);
    let commands: Vec<&str> = match given {
        Some(list) => list.iter().filter_map(Value::as_str).collect(),
        None => vec!["dbt build --select state:modified+"],
    };
    let mut steps = vec![
        ("Clone git repository".to_owned(), 10),
        ("Create profile from connection Snowflake".to_owned(), 10),
        ("Invoke dbt with `dbt deps`".to_owned(), 10),
    ];
    let last = match build.state {
        State::Queued => return Vec::new(),
        State::Errored => return vec![("Clone git repository".to_owned(), 20)],
        State::Running => 3,
        State::Succeeded => 10,
        State::Failed => 20,
        State::Cancelled => 30,
    };
    let names = commands.iter().map(|command| (format!("Invoke dbt with `{command}`"), 10));
    steps.extend(names);
    if let Some((_, status)) = steps.last_mut() {
        *status = last;
    }
    steps
}
