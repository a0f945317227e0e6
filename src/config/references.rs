//! What a check points at: organizations, CI systems, repositories and branches.
//!
//! Names must be defined in the same file; repositories and branches are patterns, since only
//! Azure DevOps knows which there are. It must never know the other keys of a check.

use crate::domain::check::Patterns;

use super::suggestion;
use super::value::Value;

/// The name of something that stands elsewhere in the file, spelled as it is there.
pub(super) fn reference(
    value: &Value<'_>,
    defined: &[&str],
    table: &str,
    is_complete: bool,
) -> Option<String> {
    let text = value.text()?;
    let key = value.key;
    let is_organization = key == "organization";
    let same = |name: &&&str| **name == text || is_organization && name.eq_ignore_ascii_case(text);
    if let Some(name) = defined.iter().find(same) {
        return Some((*name).to_owned());
    }
    if !is_complete {
        return None;
    }
    let help = match suggestion::nearest(text, defined.iter().copied()) {
        Some(name) => format!("did you mean {name:?}?"),
        None if defined.is_empty() => format!("add {table}"),
        None => format!("add {table}, or write one of {}", suggestion::quoted(defined)),
    };
    value.reader.lacks(value.at, format!("{key} {text:?} is not defined"), help);
    None
}

/// Globs of `project/repository`.
pub(super) fn repository_patterns(value: &Value<'_>) -> Option<Patterns> {
    let given = value.texts()?;
    if value.as_array().is_some_and(|array| array.is_empty()) {
        value.refuse("repositories is empty", value.remedy());
    }
    let mut good = Vec::new();
    for (item, text) in given {
        let slashes = text.matches('/').count();
        let is_address = text.contains("://") || slashes > 1 && !text.contains('{');
        if slashes == 0 {
            let help = format!("write \"PROJECT/{text}\", or \"*/{text}\" for every project");
            item.refuse(format!("repository {text:?} names no project"), help);
        } else if is_address {
            let help = "write \"PROJECT/REPOSITORY\"";
            item.refuse(format!("repository {text:?} is more than project and name"), help);
        } else if let Err((_, wrong)) = Patterns::of_names(&[text.to_owned()]) {
            refuse_pattern(&item, text, &wrong);
        } else {
            good.push(text.to_owned());
        }
    }
    all_patterns(value, Patterns::of_names(&good))
}

/// Globs of branches; those of `**` where none are given.
pub(super) fn branch_patterns(value: Option<Value<'_>>) -> Option<Patterns> {
    let Some(value) = value else { return Patterns::of_branches(&["**".to_owned()]).ok() };
    if value.as_array().is_some_and(|array| array.is_empty()) {
        let what = format!("{} is empty, so no branch matches", value.key);
        value.refuse(what, value.remedy());
    }
    path_patterns(&value)
}

/// Globs of paths, of which branches are one sort.
pub(super) fn path_patterns(value: &Value<'_>) -> Option<Patterns> {
    let mut good = Vec::new();
    for (item, text) in value.texts()? {
        match Patterns::of_branches(&[text.to_owned()]) {
            Ok(_) => good.push(text.to_owned()),
            Err((_, wrong)) => refuse_pattern(&item, text, &wrong),
        }
    }
    all_patterns(value, Patterns::of_branches(&good))
}

/// All together, which can be too much where each alone is not.
fn all_patterns(
    value: &Value<'_>,
    patterns: Result<Patterns, (usize, String)>,
) -> Option<Patterns> {
    patterns
        .map_err(|(_, wrong)| {
            value.refuse(format!("{}: {wrong}", value.key), "write fewer or simpler patterns");
        })
        .ok()
}

fn refuse_pattern(item: &Value<'_>, text: &str, wrong: &str) {
    let what = format!("{:?} in {} is not a pattern: {wrong}", text, item.key);
    item.refuse(what, "write names with * for any letters and ** for any path");
}
