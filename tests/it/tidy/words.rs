//! Words that must not be left in the source, and names of files that say nothing.

use super::{Source, all, tidy};

/// Split, so that this file does not hold them itself.
const LEFT_OVER: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ig", "nore"),
];

const SLEEPS: [&str; 2] = [concat!("time::", "sleep("), concat!("thread::", "sleep(")];

/// Who may wait for time to pass in tests, and why.
const SLEEPERS: [(&str, &str); 2] = [
    ("tests/fakes/src/shell/pump.rs", "it sends what falls due, when it falls due"),
    ("tests/fakes/src/shell/server.rs", "it plays a neighbour that is slow"),
];

/// Names that any code would fit under.
const NAMES: [&str; 10] = [
    "common", "helper", "helpers", "manager", "misc", "service", "services", "shared", "util",
    "utils",
];

fn occurrences(source: &Source, words: &[&str]) -> Vec<String> {
    let has = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            // A part of a longer word is another word.
            !before.is_some_and(is_word)
                && (word.ends_with(['!', '(']) || !after.is_some_and(is_word))
        })
    };
    let mut found = Vec::new();
    for (number, line) in source.lines() {
        let left = words.iter().filter(|word| has(line, word));
        found.extend(left.map(|word| source.wrong(number, &format!("`{word}` is left"))));
    }
    found
}

#[test]
fn nothing_is_left_to_be_done() {
    tidy(all().iter().flat_map(|source| occurrences(source, &LEFT_OVER)));
}

#[test]
fn no_test_waits_for_time_to_pass() {
    let sources = all();
    let may = |path: &str| SLEEPERS.iter().any(|(sleeper, _)| *sleeper == path);
    let (sleepers, tests): (Vec<&Source>, Vec<&Source>) =
        sources.iter().filter(|source| source.is_test()).partition(|source| may(&source.path));
    tidy(tests.iter().flat_map(|source| occurrences(source, &SLEEPS)));
    assert_eq!(sleepers.len(), SLEEPERS.len(), "an exception is not needed any more");
    for source in sleepers {
        assert!(!occurrences(source, &SLEEPS).is_empty(), "{} does not sleep", source.path);
    }
}

#[test]
fn names_say_something() {
    let says_nothing = |source: &&Source| {
        source.path.trim_end_matches(".rs").split('/').any(|part| NAMES.contains(&part))
    };
    let sources = all();
    let wrong = sources.iter().filter(says_nothing);
    tidy(wrong.map(|source| source.wrong(1, "this name would fit any code: say what is in it")));
}
