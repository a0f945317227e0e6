//! Text from outside, such as a title, a branch or the words of a CI, made safe to print.
//!
//! A terminal obeys control characters, and bidirectional ones change the order in which a line is
//! read. They are printed as escapes, as JSON writes them. So JSON stays the same value, and one
//! entry of a log or one row of a table stays one line.

use std::borrow::Cow;
use std::fmt::Write;

/// The text on one line: line breaks are escaped, too.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_harmful)
}

/// Like [`printable`], but line breaks stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| letter != '\n' && is_harmful(letter))
}

/// Whether a character is obeyed instead of shown: control characters (C0, DEL, C1), those that
/// break a line, and those that change the direction of writing.
pub fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The text with escapes for the characters that `is_escaped` chooses.
pub fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut printed = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            _ if !is_escaped(letter) => printed.push(letter),
            '\n' => printed.push_str("\\n"),
            '\r' => printed.push_str("\\r"),
            '\t' => printed.push_str("\\t"),
            // Writing to a String does not fail.
            _ => drop(write!(printed, "\\u{:04x}", u32::from(letter))),
        }
    }
    Cow::Owned(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (text, printed) in [
            ("plain äöü 日本 👩‍💻", "plain äöü 日本 👩‍💻"),
            ("a\x1b[31mb", "a\\u001b[31mb"),
            ("a\u{7f}b\u{9b}2Jc\0", "a\\u007fb\\u009b2Jc\\u0000"),
            ("\u{202e}txt.\u{2066}\u{200f}", "\\u202etxt.\\u2066\\u200f"),
            ("one\r\ntwo\tthree\u{2028}", "one\\r\\ntwo\\tthree\\u2028"),
        ] {
            assert_eq!(printable(text), printed);
        }
        assert_eq!(printable_lines("one\n\x1btwo"), "one\n\\u001btwo");
    }

    #[test]
    fn escapes_in_json_do_not_change_its_value() {
        let value = serde_json::json!({ "title": "a\u{7f}\u{85}\u{202e}\n\"\\b" });
        let printed = printable_lines(&format!("{value:#}")).into_owned();
        assert!(!printed.contains(|letter| letter != '\n' && is_harmful(letter)), "{printed}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }
}
