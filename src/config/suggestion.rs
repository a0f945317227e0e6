//! Suggestions for unknown words: the nearest known word, or the list of known words.
//!
//! Most unknown keys are misspelled by a letter or two, so the nearest known word is the remedy.

/// Letters that may differ, at most, between a misspelled word and its suggestion.
const DISTANCE_MAX: usize = 3;

/// No known word is longer; longer input is cut, which bounds the cost of a comparison.
const LETTERS_MAX: usize = 64;

/// The candidate that is most similar to `word`, or none where each differs in more than a third
/// of its letters.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let folded = fold(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| {
            *distance <= (candidate.chars().count() / 3).clamp(1, DISTANCE_MAX)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "…"?`, or the list of candidates where none is near.
pub(super) fn help(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean {candidate:?}?"),
        None => format!("write one of {}", quoted(candidates)),
    }
}

/// `"a", "b"`.
pub(super) fn quoted(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    quoted.join(", ")
}

/// Removes the differences that are no misspelling: case, hyphens, underscores and spaces.
fn fold(word: &str) -> String {
    word.chars()
        .take(LETTERS_MAX)
        .filter(|letter| !matches!(letter, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_a_word_for_a_misspelling_and_none_for_another_word() {
        let keys = ["public_url", "listen", "body_limit", "drain", "on"];
        for (word, expected) in [
            ("pubic_url", Some("public_url")),
            ("publicUrl", Some("public_url")),
            ("body-limit", Some("body_limit")),
            ("lsiten", Some("listen")),
            ("drian", Some("drain")),
            ("no", Some("on")),
            ("timeout", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
    }
}
