//! Names that say nothing, and words that must not be left.

use std::collections::BTreeSet;

use super::{Source, crates, sources, tidy};

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
