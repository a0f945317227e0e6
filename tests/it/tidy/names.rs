//! Names that were replaced or say nothing, and words that must not be left.

use std::collections::BTreeSet;

use super::model::Crate;
use super::{Source, crates, sources, tidy};

/// What the gateway and its tests do not call anything any more, and what they say instead. A
/// plural counts like its singular.
const REPLACED: [(&str, &str); 29] = [
    ("arrival", "hook_activity"),
    ("arrived mark take_in", "a word of the intake alone"),
    ("aside", "catch_up_meta"),
    ("beside mean shared", "deps, or what is shared"),
    ("book", "audit_log or hook_state"),
    ("carry_out carrying", "execute"),
    ("caught", "catch_up_payload"),
    ("deed", "action"),
    ("door", "verified_hooks"),
    ("duty turn", "reconcile or reconciler"),
    ("fate", "expected"),
    ("flight", "in_flight"),
    ("front heir", "what it is for"),
    ("kept upkeep upkept", "managed, …_context, or what keeps up what"),
    ("lending", "call"),
    ("lent", "issued"),
    ("letter", "payload"),
    ("our", "owned_… or instance_id"),
    ("picture", "snapshot"),
    ("place", "hook_scope, or what is there"),
    ("room", "memory_budget"),
    ("shelf", "token_pool"),
    ("standing", "health"),
    ("told", "observation, or log and report"),
    ("town", "env"),
    ("trouble", "problem"),
    ("wake", "notifier"),
    ("weather", "faults"),
    ("wish", "desired"),
];

/// Names of files that any code would fit under.
const SAYS_NOTHING: [&str; 10] = [
    "common", "helper", "helpers", "manager", "misc", "service", "services", "shared", "util",
    "utils",
];

/// Split, so that this file does not hold them itself.
const LEFT_OVER: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ig", "nore"),
];

/// Where tests may wait for time to pass, and why.
const SLEEPERS: [(&str, &str); 2] = [
    ("tests/fakes/src/shell/pump.rs", "it sends what falls due, when it falls due"),
    ("tests/fakes/src/shell/server.rs", "it plays a neighbour that is slow"),
];

/// `PullRequests` → `pull_request`.
fn singular(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake.strip_suffix('s').map_or(snake.clone(), str::to_owned)
}

/// Files are judged as the modules that they are.
#[test]
fn replaced_names_are_not_used() {
    let mut wrong = Vec::new();
    for root in ["src/lib.rs", "src/main.rs", "tests/it/main.rs"] {
        for declared in Crate::read(root).declarations {
            let (file, name) = (&declared.file, singular(&declared.name));
            let is_replaced = |old: &&str| old.split(' ').any(|old| old == name);
            let Some((_, instead)) = REPLACED.iter().find(|(old, _)| is_replaced(old)) else {
                continue;
            };
            if file.contains("/intake") && instead.contains("intake") {
                continue;
            }
            let what = format!("`{}` was replaced: {instead}", declared.name);
            wrong.push(format!("{file}:{}: {what}", declared.line));
        }
    }
    tidy(wrong);
}

#[test]
fn names_of_files_say_something() {
    let says_nothing = |source: &&Source| {
        source.path.trim_end_matches(".rs").split('/').any(|part| SAYS_NOTHING.contains(&part))
    };
    let what = "this name would fit any code: say what is in it";
    tidy(sources().iter().filter(says_nothing).map(|source| source.wrong(1, what)));
}

#[test]
fn nothing_is_left_to_be_done() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (line, text) in source.lines() {
            let left = LEFT_OVER.iter().filter(|word| text.contains(**word));
            wrong.extend(left.map(|word| source.wrong(line, &format!("`{word}` is left"))));
        }
    }
    tidy(wrong);
}

#[test]
fn no_test_waits_for_time_to_pass() {
    let mut sleepers = BTreeSet::new();
    let mut wrong = Vec::new();
    for source in crates() {
        for mention in &source.mentions {
            let module = &source.modules[mention.module];
            let is_test = module.is_test || module.file.starts_with("tests/");
            let sleeps = matches!(mention.path.as_slice(), [.., of, sleep]
                if sleep == "sleep" && (of == "time" || of == "thread"));
            if !is_test || !sleeps {
                continue;
            }
            match SLEEPERS.iter().find(|(file, _)| *file == module.file) {
                Some((file, _)) => _ = sleepers.insert(*file),
                None => wrong.push(format!("{}:{}: a test sleeps", module.file, mention.line)),
            }
        }
    }
    let idle = SLEEPERS.iter().filter(|(file, _)| !sleepers.contains(file));
    tidy(wrong.into_iter().chain(idle.map(|(file, _)| format!("{file}:1: it does not sleep"))));
}
