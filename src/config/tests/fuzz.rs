//! Any text results in a configuration or in errors whose positions are within the text.

use proptest::prelude::*;

use super::{file, given};
use crate::config::parse;

const GATEWAY: &str = include_str!("../../../config/gateway.toml");

/// Words with a meaning in TOML or to the reader.
const WORDS: [&str; 24] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "=",
    ".",
    ",",
    "\n",
    "#",
    "1",
    "-1",
    "true",
    "[check]",
    "[[server]]",
    "[ci.builder]",
    "{ env = \"EMPTY\" }",
    "[[organization]]",
    "ä",
    "1979-05-27",
];

fn check(text: &str) {
    if let Err(errors) = parse("gateway.toml", text, &given()) {
        assert!(!errors.findings().is_empty());
        for finding in errors.findings() {
            assert!(finding.line <= text.split('\n').count(), "{finding}");
            assert!(finding.column >= 1 && !finding.what.is_empty() && !finding.help.is_empty());
        }
    }
}

/// The last character boundary at or before a byte offset.
fn boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|offset| text.is_char_boundary(*offset)).unwrap()
}

/// Replaces a part of the text with a word.
fn mutate(text: &mut String, offset: usize, length: usize, word: &str) {
    let start = boundary(text, offset % (text.len() + 1));
    let end = boundary(text, start + length);
    text.replace_range(start..end.max(start), word);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn words_in_any_order_never_panic(words in prop::collection::vec(0..WORDS.len(), 0..40)) {
        let text: Vec<_> = words.into_iter().map(|word| WORDS[word]).collect();
        check(&text.join(" "));
    }

    #[test]
    fn a_mutated_file_never_panics(
        from_reference in any::<bool>(),
        changes in prop::collection::vec((any::<usize>(), 0..60usize, 0..WORDS.len()), 1..8),
    ) {
        let mut text = if from_reference { GATEWAY.to_owned() } else { file(&[]) };
        for (offset, length, word) in changes {
            mutate(&mut text, offset, length, WORDS[word]);
        }
        check(&text);
    }

    #[test]
    fn lines_in_any_order_never_panic(order in prop::collection::vec(any::<usize>(), 0..60)) {
        let uncommented = GATEWAY.replace("\n#", "\n");
        let is_toml = |line: &&str| line.contains(" = ") || line.starts_with('[');
        let lines: Vec<_> = uncommented.lines().filter(is_toml).collect();
        let text: String =
            order.into_iter().map(|line| format!("{}\n", lines[line % lines.len()])).collect();
        check(&text);
    }
}
