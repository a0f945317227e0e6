//! Prints a plan as a difference: `+` add, `~` change, `!` heal (replace), `-` remove, `…` wait,
//! `?` left to a person.

use serde_json::Value;

use super::Work;
use crate::cli::output::say;
use crate::cli::table::text;
use crate::printable::printable;

/// Whether a plan has a step of this work that is not left to a person.
pub(super) fn is_due(plan: &Value, works: &[Work]) -> bool {
    due(plan, works).next().is_some()
}

/// The steps of this work that are not left to a person.
fn due<'p>(plan: &'p Value, works: &[Work]) -> impl Iterator<Item = &'p Value> {
    let is_of = |item: &&Value| works.iter().any(|work| text(item, "kind") == work.kind);
    items(plan).filter(move |item| is_of(item) && text(item, "action") != "leave")
}

fn items(plan: &Value) -> impl Iterator<Item = &Value> {
    plan.get("items").and_then(Value::as_array).into_iter().flatten()
}

/// Prints the plan of one organization.
pub(super) fn print(plan: &Value) {
    say!("{}", text(plan, "organization"));
    let is = |field: &str| plan.get(field) == Some(&Value::Bool(true));
    if is("held") {
        say!("  the hooks were removed: `azdo-gateway hooks apply` creates them again");
    } else if !is("managed") {
        say!("  hooks are made by hand here (hooks = false)");
    }
    for item in items(plan) {
        print_step(item);
    }
    print_counts(plan);
}

/// Prints what is left of a plan, and what went wrong.
pub(super) fn print_done(after: &Value, works: &[Work], problem: Option<&str>) {
    if let Some(problem) = problem {
        say!("  problem: {}", printable(problem));
    }
    let left: Vec<&Value> = due(after, works).collect();
    if left.is_empty() {
        say!("  done");
        return;
    }
    say!("  not done yet; the gateway goes on with it:");
    left.into_iter().for_each(print_step);
}

fn print_step(item: &Value) {
    let action = text(item, "action");
    let sign = match action.as_str() {
        "add" => "+",
        "change" => "~",
        "heal" => "!",
        "remove" => "-",
        "wait" => "…",
        _ => "?",
    };
    let (kind, project, what) = (text(item, "kind"), text(item, "project"), text(item, "what"));
    let id = match text(item, "id") {
        id if id == "-" => String::new(),
        id => format!(" {id}"),
    };
    say!("  {sign} {action:<6} {kind} {project} {what}{id}: {}", text(item, "reason"));
    let changes = item.get("changes").and_then(Value::as_array);
    for change in changes.into_iter().flatten() {
        let (from, to) = (text(change, "from"), text(change, "to"));
        say!("             {}: {from:?} -> {to:?}", text(change, "field"));
    }
}

fn print_counts(plan: &Value) {
    let count = |action: &str| items(plan).filter(|item| text(item, "action") == action).count();
    say!(
        "  {} to add, {} to change, {} to heal, {} to remove, {} left to a person; {} as they \
         should be, {} of others not touched",
        count("add"),
        count("change"),
        count("heal"),
        count("remove"),
        count("leave"),
        text(plan, "kept"),
        text(plan, "foreign")
    );
}
