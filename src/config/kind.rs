//! The key `kind`, which decides which other keys a table has.
//!
//! A kind that only later versions have gets another message than an unknown word: correcting the
//! spelling would not help.

use super::section::Section;
use super::suggestion;

/// Reads `kind`. Returns the kind and the byte offset of its value, or none after refusing a kind
/// that is unknown or not available yet. The caller then skips the other keys of the table, since
/// they depend on the kind.
pub(super) fn read<T: Copy>(
    section: &mut Section<'_>,
    example: &'static str,
    available: &[(&'static str, T)],
    planned: &[&'static str],
) -> Option<(T, usize)> {
    let value = section.required("kind", example)?;
    let text = value.text()?;
    if let Some((_, kind)) = available.iter().find(|(word, _)| *word == text) {
        return Some((*kind, value.offset));
    }
    let available: Vec<_> = available.iter().map(|(word, _)| *word).collect();
    if planned.contains(&text) {
        value.refuse(format!("kind {text:?} is not available in this version"), value.remedy());
        return None;
    }
    let all: Vec<_> = available.iter().chain(planned).copied().collect();
    let help = match suggestion::nearest(text, all.iter().copied()) {
        Some(word) => format!("did you mean {word:?}?"),
        None if planned.is_empty() => format!("write one of {}", suggestion::quoted(&all)),
        None => format!(
            "write one of {}; this version has {}",
            suggestion::quoted(&all),
            suggestion::quoted(&available)
        ),
    };
    value.refuse(format!("unknown kind {text:?}"), help);
    None
}
