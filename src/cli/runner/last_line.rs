//! The last line of a command's output, as the text of a status.

use crate::domain::text::cut;
use crate::printable::is_harmful;

/// Descriptions of reports are cut at this many characters.
pub(super) const WORDS_CHARS_MAX: usize = 400;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';

/// The last line that has letters in it, of the end of an output in which a character may be cut.
pub(super) fn last_line(output: &[u8]) -> Option<String> {
    let text = plain(&String::from_utf8_lossy(output));
    // A progress bar writes over its line after each carriage return.
    text.split(['\n', '\r']).rev().find_map(words)
}

/// A text as the words of a status: one line, without what a terminal would obey. None where
/// nothing is left to read.
pub(super) fn words(text: &str) -> Option<String> {
    let text: String = plain(text)
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_harmful(*c))
        .collect();
    let text = cut(text.trim_start_matches(char::REPLACEMENT_CHARACTER), WORDS_CHARS_MAX);
    text.chars().any(|c| !c.is_whitespace()).then_some(text)
}

/// The text without the sequences that colour a terminal, name it, or move its cursor.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != ESCAPE {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            // `ESC [ parameters letter`.
            Some('[') => drop(letters.find(|c| matches!(c, '@'..='~'))),
            // `ESC ] text BEL`, or `ESC ] text ESC \`. One without an end stays on its line.
            Some(']') => {
                while let Some(end) = letters.next_if(|c| *c != '\n') {
                    if end == BELL || end == ESCAPE && letters.next_if_eq(&'\\').is_some() {
                        break;
                    }
                }
            }
            // `ESC ( set`.
            Some('(' | ')' | '#' | '%') => drop(letters.next()),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_with_words_is_taken() {
        for (output, expected) in [
            ("", None),
            ("\n \n", None),
            ("one\ntwo\n\n  \n", Some("two")),
            ("one\npart", Some("part")),
            ("10 %\r50 %\r100 %\r", Some("100 %")),
            ("a\tb\u{2028}c\u{202e}", Some("a b c")),
            ("\u{1b}[1;31mred\u{1b}[0m", Some("red")),
            ("\u{1b}]0;title\u{7}words", Some("words")),
            ("\u{1b}]8;;https://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", Some("link")),
            ("words\u{1b}[", Some("words")),
            ("words\n\u{1b}[0m", Some("words")),
            ("a\u{8}b\u{0}c", Some("abc")),
        ] {
            assert_eq!(last_line(output.as_bytes()).as_deref(), expected, "{output:?}");
        }
    }

    #[test]
    fn characters_are_not_cut_apart() {
        let long = "ä日".repeat(300);
        let line = last_line(&long.as_bytes()[1..]).unwrap();
        assert_eq!(line.chars().count(), WORDS_CHARS_MAX);
        assert!(line.starts_with("日ä") && line.ends_with('…'), "{line}");
    }
}
