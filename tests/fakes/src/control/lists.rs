//! The lists to look at.
//!
//! They are read-only and without secrets. Those for people have the newest entries first; those
//! for programs are counted from zero, with the oldest first.

use serde_json::{Value, json};

use super::arguments::{HELP, Reply};
use crate::ado::model::Status;
use crate::journal::{Entry, Journal};
use crate::timestamp::rfc3339;
use crate::{ado, ci};

const LIMIT_ENTRIES: usize = 200;

pub(super) fn list(ado: &ado::World, ci: &ci::World, path: &[&str]) -> Reply {
    Ok(match path {
        ["pull-requests"] => ado.pull_requests().rev().map(pull_request).collect(),
        ["pull-requests", id, "statuses"] => {
            let id = super::arguments::pull_request(ado, id)?;
            ado.pull_request(id).statuses.iter().map(status).collect()
        }
        ["statuses", from] => statuses_from(ado, from)?,
        ["commits", sha, "statuses"] => commit_statuses(ado, sha)?,
        ["subscriptions"] => ado.subscriptions().map(subscription).collect(),
        ["notifications"] => {
            let mut all: Vec<_> = ado.all_notifications().map(notification).collect();
            all.reverse();
            all.truncate(LIMIT_ENTRIES);
            Value::Array(all)
        }
        ["lost"] => ado.lost().iter().rev().take(LIMIT_ENTRIES).map(lost).collect(),
        ["unfiltered-lists"] => json!(ado.unfiltered_lookups()),
        ["policies"] => ado.policies().map(policy).collect(),
        ["runs"] => ci.triggered().map(run).collect(),
        ["pats"] => ado.pats().iter().rev().map(|one| pat(ado, one)).collect(),
        ["pats", "count"] => pats_counted(ado),
        ["violations"] => ado.violations().iter().map(|text| json!(text)).collect(),
        ["journal"] => {
            let entries = ado.journal.entries().rev().take(LIMIT_ENTRIES);
            entries.map(|entry| json!(format!("{entry:?}"))).collect()
        }
        ["journal", from] => journal_from(&ado.journal, from)?,
        _ => return Err(HELP.to_owned()),
    })
}

/// For programs: the journal from that request on.
fn journal_from(journal: &Journal, from: &str) -> Reply {
    let from: u64 = from.parse().map_err(|_| format!("{from} is not a number"))?;
    let wanted = usize::try_from(journal.seen().saturating_sub(from)).unwrap_or(usize::MAX);
    let kept = journal.entries().len();
    let entries = journal.entries().skip(kept.saturating_sub(wanted)).map(entry);
    Ok(json!({"seen": journal.seen(), "entries": entries.collect::<Vec<_>>()}))
}

/// For programs: the posted statuses from that one on.
fn statuses_from(ado: &ado::World, from: &str) -> Reply {
    let from: usize = from.parse().map_err(|_| format!("{from} is not a number"))?;
    let entries = ado.posted().get(from..).unwrap_or_default().iter().map(|one| {
        json!({
            "pull_request": one.pull_request,
            "commit": one.commit,
            "iteration": one.iteration,
            "state": one.state,
            "at_ms": one.at_ms,
        })
    });
    Ok(entries.collect())
}

fn entry(one: &Entry) -> Value {
    json!({
        "at_ms": one.at_ms,
        "method": one.method,
        "target": one.target,
        "status": one.status,
    })
}

fn pat(ado: &ado::World, one: &ado::Pat) -> Value {
    json!({
        "id": one.authorization_id,
        "name": one.display_name,
        "user": ado.identity(&one.identity).unique_name,
        "scope": one.scope,
        "all_orgs": one.all_orgs,
        "state": format!("{:?}", one.state(ado.now_ms())).to_lowercase(),
        "used": one.used,
        "refused_uses": one.refused_uses,
        "valid_from": rfc3339(one.valid_from_ms),
        "valid_to": rfc3339(one.valid_to_ms),
        "revoked_at": one.revoked_at_ms.map(rfc3339),
    })
}

/// For programs: how many PATs there are, by their use.
fn pats_counted(ado: &ado::World) -> Value {
    let count = |holds: &dyn Fn(&&ado::Pat) -> bool| ado.pats().iter().filter(holds).count();
    json!({
        "minted": ado.pats().len(),
        "unused": count(&|one| one.used == 0),
        "used_once": count(&|one| one.used == 1),
        "used_more": count(&|one| one.used > 1),
        "active": ado.active_pats().count(),
    })
}

fn pull_request(one: &ado::model::PullRequest) -> Value {
    json!({
        "id": one.id,
        "title": one.title,
        "state": one.state.name(),
        "draft": one.is_draft,
        "source": one.source_ref,
        "target": one.target_ref,
        "merge_status": one.merge_status,
        "iterations": one.iterations.len(),
    })
}

fn status(one: &Status) -> Value {
    json!({
        "id": one.id,
        "context": format!("{}/{}", one.genre, one.name),
        "state": one.state,
        "iteration": one.iteration,
        "description": one.description,
        "url": one.target_url,
        "at": rfc3339(one.at_ms),
    })
}

fn commit_statuses(ado: &ado::World, sha: &str) -> Reply {
    let found = ado.repositories().find_map(|repository| repository.commits.get(sha));
    let commit = found.ok_or_else(|| format!("there is no commit {sha}"))?;
    Ok(commit.statuses.iter().map(status).collect())
}

fn subscription(one: &ado::hooks::Subscription) -> Value {
    json!({
        "id": one.id,
        "event_type": one.event_type,
        "status": one.status.name(),
        "filters": one.publisher_inputs,
        "url": one.consumer_inputs.get("url"),
    })
}

fn policy(one: &ado::policy::Policy) -> Value {
    json!({
        "id": one.id,
        "revision": one.revision,
        "type": one.policy_type,
        "enabled": one.is_enabled,
        "blocking": one.is_blocking,
        "settings": one.settings,
    })
}

fn notification(one: &ado::hooks::Notification) -> Value {
    json!({
        "number": one.number,
        "subscription": one.subscription,
        "event": one.event.text,
        "event_type": one.event.kind.name(),
        "progress": format!("{:?}", one.progress),
        "attempts": one.attempts.iter().map(|one| format!("{:?}", one.answer)).collect::<Vec<_>>(),
    })
}

fn lost(one: &ado::hooks::LostEvent) -> Value {
    json!({
        "subscription": one.subscription,
        "event": one.event.text,
        "why": format!("{:?}", one.why),
    })
}

fn run(one: &ci::Start) -> Value {
    json!({
        "run": one.run,
        "check": one.check,
        "commit": one.commit,
        "accepted": one.is_accepted,
        "attempts": one.attempts,
        "behaviour": format!("{:?}", one.behaviour),
    })
}
