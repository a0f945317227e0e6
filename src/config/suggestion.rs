//! What somebody probably meant by a word that does not exist.
//!
//! Most wrong keys are slips of one or two letters, and the remedy is the right spelling. It must
//! never know what the words are for.

/// The nearest of the candidates, when it is near enough to be what was meant.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let folded = fold(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .filter(|(away, candidate)| *away <= (candidate.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(away, _)| *away)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "…"?`, or else what there is.
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

/// Case, hyphens and underscores are what people mix up first. What is longer than any word of
/// ours is cut, so that the comparison stays short.
fn fold(word: &str) -> Vec<char> {
    word.chars()
        .take(64)
        .filter(|letter| !matches!(letter, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Letters to insert, remove, replace or swap with their neighbour (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut left_before = None;
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut right_before = None;
        for (column, to) in right.iter().enumerate() {
            let cell = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX / 2);
            let replaced = cell(&above, column) + usize::from(from != to);
            let removed = cell(&above, column + 1) + 1;
            let inserted = cell(&current, column) + 1;
            let mut least = replaced.min(removed).min(inserted);
            if column > 0 && left_before == Some(to) && right_before == Some(from) {
                least = least.min(cell(&before, column - 1) + 1);
            }
            current.push(least);
            right_before = Some(to);
        }
        left_before = Some(from);
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let keys = ["public_url", "listen", "body_limit", "drain", "on"];
        for (word, meant) in [
            ("pubic_url", Some("public_url")),
            ("publicUrl", Some("public_url")),
            ("body-limit", Some("body_limit")),
            ("lsiten", Some("listen")),
            ("drian", Some("drain")),
            ("no", Some("on")),
            ("timeout", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }
}
