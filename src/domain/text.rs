//! Text of others as one line of limited length.

/// The first `chars_max` characters, ending in an ellipsis when something was cut off.
/// Line breaks and other control characters become spaces: a status is one line.
pub fn cut(text: &str, chars_max: usize) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let line: String = text.chars().map(|c| if breaks(c) { ' ' } else { c }).collect();
    let line = line.trim().to_owned();
    if line.chars().count() <= chars_max {
        return line;
    }
    let begin: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", begin.trim_end())
}
