//! The key `kind`, which decides which other keys a table has.

use super::section::Section;
use super::suggestion;

/// Reads `kind`. Returns the kind and the byte offset of its value, or none after refusing a kind
/// that is unknown. The caller then skips the other keys of the table, since they depend on the
/// kind.
pub(super) fn read<T: Copy>(
    section: &mut Section<'_>,
    example: &'static str,
    kinds: &[(&'static str, T)],
) -> Option<(T, usize)> {
    let value = section.required("kind", example)?;
    let text = value.text()?;
    if let Some((_, kind)) = kinds.iter().find(|(word, _)| *word == text) {
        return Some((*kind, value.offset));
    }
    let all: Vec<_> = kinds.iter().map(|(word, _)| *word).collect();
    let help = match suggestion::nearest(text, all.iter().copied()) {
        Some(word) => format!("did you mean {word:?}?"),
        None => format!("write one of {}", suggestion::quoted(&all)),
    };
    value.refuse(format!("unknown kind {text:?}"), help);
    None
}
