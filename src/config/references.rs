//! The values by which a check refers to organizations, CI systems, repositories and branches.
//!
//! Organizations and CI systems must be defined in the same file. Repositories and branches are
//! patterns, since they exist at Azure DevOps only.

use crate::domain::check::Patterns;

use super::suggestion;
use super::value::Value;

/// The name of one of the `defined` tables, spelled as that table spells it. The names of
/// organizations are compared without case. Where `is_complete` is false, `defined` lacks tables
/// whose names could not be read, and an unknown name is not reported.
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
    value.reader.refuse_missing(value.offset, format!("{key} {text:?} is not defined"), help);
    None
}

/// Globs of `project/repository`.
pub(super) fn repository_patterns(value: &Value<'_>) -> Option<Patterns> {
    let given = value.texts()?;
    if value.as_array().is_some_and(|array| array.is_empty()) {
        value.refuse("repositories is empty", value.remedy());
    }
    let mut valid = Vec::new();
    for (item, text) in given {
        let slashes = text.matches('/').count();
        let is_address = text.contains("://") || slashes > 1 && !text.contains('{');
        if slashes == 0 {
            let help = format!("write \"PROJECT/{text}\", or \"*/{text}\" for every project");
            item.refuse(format!("repository {text:?} names no project"), help);
        } else if is_address {
            let help = "write \"PROJECT/REPOSITORY\"";
            item.refuse(format!("repository {text:?} has more parts than project and name"), help);
        } else if let Err((_, error)) = Patterns::of_names(&[text.to_owned()]) {
            refuse_pattern(&item, text, &error);
        } else {
            valid.push(text.to_owned());
        }
    }
    compile_all(value, Patterns::of_names(&valid))
}

/// Globs of branches; `**`, which matches every branch, where the key is missing.
pub(super) fn branch_patterns(value: Option<Value<'_>>) -> Option<Patterns> {
    let Some(value) = value else { return Patterns::of_branches(&["**".to_owned()]).ok() };
    if value.as_array().is_some_and(|array| array.is_empty()) {
        let what = format!("{} is empty, so no branch matches", value.key);
        value.refuse(what, value.remedy());
    }
    patterns(&value, Patterns::of_branches, |_, _| true)
}

/// Globs of files; none where the key is missing.
pub(super) fn file_patterns(value: Option<Value<'_>>) -> Option<Patterns> {
    let Some(value) = value else { return Some(Patterns::default()) };
    patterns(&value, Patterns::of_paths, |item, text| {
        if text.ends_with('/') {
            let what = format!("{text:?} in {} matches no file", item.key);
            item.refuse(what, format!("write \"{text}**\" for every file below it"));
        } else if let Some(excluded) = text.strip_prefix('!') {
            let what = format!("{text:?} in {} excludes no file", item.key);
            item.refuse(what, format!("write paths_ignore = [{excluded:?}]"));
        } else {
            return true;
        }
        false
    })
}

type Compile = fn(&[String]) -> Result<Patterns, (usize, String)>;

/// The patterns of a list that `is_meant` does not refuse and that compile.
fn patterns(
    value: &Value<'_>,
    compile: Compile,
    is_meant: impl Fn(&Value<'_>, &str) -> bool,
) -> Option<Patterns> {
    let mut valid = Vec::new();
    for (item, text) in value.texts()? {
        if !is_meant(&item, text) {
            continue;
        }
        match compile(&[text.to_owned()]) {
            Ok(_) => valid.push(text.to_owned()),
            Err((_, error)) => refuse_pattern(&item, text, &error),
        }
    }
    compile_all(value, compile(&valid))
}

/// Refuses patterns that are valid one by one and too large together.
fn compile_all(value: &Value<'_>, patterns: Result<Patterns, (usize, String)>) -> Option<Patterns> {
    patterns
        .map_err(|(_, error)| {
            value.refuse(format!("{}: {error}", value.key), "write fewer or simpler patterns");
        })
        .ok()
}

fn refuse_pattern(item: &Value<'_>, text: &str, error: &str) {
    let what = format!("{text:?} in {} is not a pattern: {error}", item.key);
    item.refuse(what, "write names with * for any letters and ** for any path");
}
