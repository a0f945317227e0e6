//! `kind = "runner"`.

use std::sync::Arc;

use crate::ci::{Kind, runner};
use crate::config::section::Section;
use crate::config::value::{Range, Value};

/// Characters of one label, at most.
const LABEL_CHARS_MAX: usize = 64;
/// Heartbeats are sent three times within a lease, and take a while themselves.
const LEASE: Range = Range { least: "2s", greatest: "1h", because: "" };

pub(super) fn read(mut section: Section<'_>) -> Option<Arc<dyn Kind>> {
    let labels = section.value("labels", "[\"linux\"]");
    let labels = labels.map_or(Some(Vec::new()), |value| read_labels(&value));
    let lease = section.duration("lease", "60s", LEASE);
    section.finish();
    Some(Arc::new(runner::Options { labels: labels?, lease }))
}

/// A list of labels.
pub(in crate::config) fn read_labels(value: &Value<'_>) -> Option<Vec<String>> {
    let texts = value.texts()?;
    let is_label = |text: &str| {
        let letters = text.chars().count();
        (1..=LABEL_CHARS_MAX).contains(&letters)
            && text.chars().all(|letter| letter.is_alphanumeric() || "-_.:/".contains(letter))
    };
    for (value, text) in &texts {
        if !is_label(text) {
            value.refuse(
                format!("{text:?} is not a label"),
                "write letters, digits, and - _ . : or /, at most 64 of them",
            );
            return None;
        }
    }
    Some(texts.into_iter().map(|(_, text)| text.to_owned()).collect())
}
