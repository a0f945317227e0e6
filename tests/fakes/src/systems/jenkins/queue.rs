//! Items of the queue. One that has left is known for five minutes.

use serde_json::{Map, Value, json};

use super::access::Caller;
use super::{Details, FIRST_ITEM, World, not_found, page, render};
use crate::http::Response;
use crate::systems::{Build, State};

const KNOWN_AFTERWARDS_MS: i64 = 300_000;

/// The items that wait, newest first. Those of a job that the user may not see are left out.
pub(super) fn list(world: &World, is_seen: bool, now_ms: i64) -> Value {
    let waiting = world.builds.all().iter().rev();
    let waiting = waiting.filter(|build| is_seen && world.is_waiting(build.number));
    let items: Vec<_> =
        waiting.filter_map(|build| item(world, world.item_id(build.number), now_ms)).collect();
    json!({"_class": "hudson.model.Queue", "discoverableItems": [], "items": items})
}

/// The item of that id; none when it is unknown, or left more than five minutes ago.
pub(super) fn item(world: &World, id: u64, now_ms: i64) -> Option<Value> {
    let number = id.checked_sub(FIRST_ITEM)?;
    let build = world.builds.all().iter().find(|build| build.number == number)?;
    let known = world.details.get(&number)?;
    let mut item = common(world, build, known);
    let own = if build.state == State::Queued {
        if build.is_gone {
            return None;
        }
        waiting(world, build, known, now_ms)
    } else {
        let left_for_ms = now_ms - known.left_ms.unwrap_or(now_ms);
        if left_for_ms >= KNOWN_AFTERWARDS_MS {
            return None;
        }
        let has_build = !known.is_cancelled_item && left_for_ms >= world.executable_lag_ms;
        let executable = json!({
            "_class": render::build_class(world),
            "number": number,
            "url": render::build_url(world, number),
        });
        json!({
            "_class": "hudson.model.Queue$LeftItem",
            "blocked": false,
            "buildable": false,
            "why": null,
            "cancelled": known.is_cancelled_item,
            "executable": if has_build { executable } else { Value::Null },
        })
    };
    item.extend(own.as_object().cloned().unwrap_or_default());
    Some(Value::Object(item))
}

/// Takes an item out of the queue on request.
pub(super) fn cancel(world: &mut World, id: u64, caller: &Caller) -> Result<Response, Response> {
    let number = id.checked_sub(FIRST_ITEM).ok_or_else(not_found)?;
    if !caller.user.reads || !world.is_waiting(number) {
        return Err(not_found());
    }
    if !caller.user.cancels {
        return Err(page(422, "<h1>You do not have permission to cancel this item</h1>"));
    }
    cancel_waiting(world, number);
    Ok(Response::empty(204))
}

/// Takes an item out of the queue, where it waits there.
pub(super) fn cancel_waiting(world: &mut World, number: u64) {
    if world.is_waiting(number) {
        world.builds.cancel(number);
        if let Some(known) = world.details.get_mut(&number) {
            known.is_cancelled_item = true;
        }
    }
}

fn common(world: &World, build: &Build, known: &Details) -> Map<String, Value> {
    let id = world.item_id(build.number);
    let params = known.parameters.iter().map(|(name, value)| match value {
        Value::String(text) if render::is_shown(world, name) => format!("\n{name}={text}"),
        Value::String(_) => format!("\n{name}=******"),
        other => format!("\n{name}={other}"),
    });
    let common = json!({
        "actions": render::actions(world, known),
        "id": id,
        "inQueueSince": build.started_ms,
        "params": params.collect::<String>(),
        "stuck": false,
        "task": {
            "_class": render::job_class(world),
            "name": world.names.last(),
            "url": render::job_url(world),
            "color": "blue",
        },
        "url": format!("queue/item/{id}/"),
    });
    common.as_object().cloned().unwrap_or_default()
}

/// In the quiet period, behind a build that runs, or ready for an executor.
fn waiting(world: &World, build: &Build, known: &Details, now_ms: i64) -> Value {
    let due_ms = build.started_ms + known.delay_ms;
    let running = world.builds.all().iter().find(|other| other.state == State::Running);
    if now_ms < due_ms {
        let left_s = (due_ms - now_ms + 999) / 1_000;
        return json!({
            "_class": "hudson.model.Queue$WaitingItem",
            "blocked": false,
            "buildable": false,
            "why": format!("In the quiet period. Expires in {left_s} sec"),
            "timestamp": due_ms,
        });
    }
    match running.filter(|_| !world.runs_concurrently) {
        Some(running) => json!({
            "_class": "hudson.model.Queue$BlockedItem",
            "blocked": true,
            "buildable": false,
            "why": format!("Build #{} is already in progress", running.number),
            "buildableStartMilliseconds": due_ms,
        }),
        None => json!({
            "_class": "hudson.model.Queue$BuildableItem",
            "blocked": false,
            "buildable": true,
            "why": "Waiting for next available executor",
            "buildableStartMilliseconds": due_ms,
            "pending": false,
        }),
    }
}
