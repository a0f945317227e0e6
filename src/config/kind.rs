//! `kind`: which of several neighbours a table is about.
//!
//! Kinds that other versions have are told apart from words that nobody knows, since the remedy
//! is another one. It must never know what a kind does.

use super::section::Section;
use super::suggestion;

/// Reads `kind`, and where it stands. What this version lacks, and what does not exist, is refused;
/// the keys of such a table are not looked at any further, since nobody here can know them.
pub(super) fn read<T: Copy>(
    section: &mut Section<'_>,
    example: &'static str,
    available: &[(&'static str, T)],
    later: &[&'static str],
) -> Option<(T, usize)> {
    let value = section.required("kind", example)?;
    let text = value.text()?;
    if let Some((_, kind)) = available.iter().find(|(word, _)| *word == text) {
        return Some((*kind, value.at));
    }
    let here: Vec<_> = available.iter().map(|(word, _)| *word).collect();
    if later.contains(&text) {
        value.refuse(format!("kind {text:?} is not available in this version"), value.remedy());
        return None;
    }
    let all: Vec<_> = here.iter().chain(later).copied().collect();
    let help = match suggestion::nearest(text, all.iter().copied()) {
        Some(word) => format!("did you mean {word:?}?"),
        None if later.is_empty() => format!("write one of {}", suggestion::quoted(&here)),
        None => format!(
            "write one of {}; this version has {}",
            suggestion::quoted(&all),
            suggestion::quoted(&here)
        ),
    };
    value.refuse(format!("unknown kind {text:?}"), help);
    None
}
