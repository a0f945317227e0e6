//! The fields in which a policy differs from the desired one, in words.

use super::found::{Scope, Settings, is_same, title};
use super::step::Change;
use super::view::View;

/// What is to be changed, field by field.
pub(super) fn changes(view: &View<'_>, from: &Settings, to: &Settings) -> Vec<Change> {
    let author = |settings: &Settings| settings.author_id.clone().unwrap_or("anybody".into());
    let files = |settings: &Settings| match settings.file_patterns.as_slice() {
        [] => "any".to_owned(),
        patterns => patterns.join(", "),
    };
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let applies = |is: bool| if is { "after a first status" } else { "always" }.to_owned();
    let scopes = |settings: &Settings| with_repositories(view, &settings.scopes);
    let is_elsewhere = match (from.scopes.as_slice(), to.scopes.as_slice()) {
        ([one], [other]) => !one.is_same(other),
        _ => true,
    };
    let change = |field, from, to| Change { field, from, to };
    let (old, new) = (title(&from.context), title(&to.context));
    let differs = [
        (from.is_enabled != to.is_enabled)
            .then(|| change("enabled", yes(from.is_enabled), yes(to.is_enabled))),
        (from.is_blocking != to.is_blocking)
            .then(|| change("blocking", yes(from.is_blocking), yes(to.is_blocking))),
        (!is_same(&from.context, &to.context)).then(|| change("status", old, new)),
        (from.author_id != to.author_id).then(|| change("account", author(from), author(to))),
        (from.resets_on_push != to.resets_on_push)
            .then(|| change("reset on push", yes(from.resets_on_push), yes(to.resets_on_push))),
        (from.is_conditional != to.is_conditional)
            .then(|| change("applies", applies(from.is_conditional), applies(to.is_conditional))),
        (from.display_name != to.display_name)
            .then(|| change("name", from.display_name.clone(), to.display_name.clone())),
        (from.file_patterns != to.file_patterns).then(|| change("files", files(from), files(to))),
        is_elsewhere.then(|| change("branches", scopes(from), scopes(to))),
    ];
    differs.into_iter().flatten().collect()
}

/// `main of web, release/* of every repository`.
fn with_repositories(view: &View<'_>, scopes: &[Scope]) -> String {
    let name = |scope: &Scope| {
        let repository = scope.repository_id.as_deref().map(|id| match view.repository(id) {
            Some(watched) => watched.repository.name.clone(),
            None => id.to_owned(),
        });
        format!("{} of {}", scope.branches, repository.unwrap_or("every repository".into()))
    };
    scopes.iter().map(name).collect::<Vec<_>>().join(", ")
}
