//! What the templates of each call see, and trying them before there is a run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Options;
use super::call::{Call, TextFrom, with};
use crate::ci::sample::{Sample, trigger};
use crate::ci::template::Template;
use crate::ci::trigger::{Trigger, context_of};

/// Where a template stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A login: there is no run.
    Login,
    /// All of the trigger.
    Start,
    /// The run, without attempt, address to clone from, and report.
    Find,
    /// The same and `id`.
    Poll,
    /// The same and `reason`.
    Cancel,
}

impl Scope {
    fn context(self, trigger: &Trigger<'_>) -> Result<Value, String> {
        let later = || context_of(trigger.run);
        let with_id = || with(&later(), "id", json!("1"));
        Ok(match self {
            Self::Login => json!({}),
            Self::Start => trigger.context().map_err(|error| error.to_string())?,
            Self::Find => later(),
            Self::Poll => with_id(),
            Self::Cancel => with(&with_id(), "reason", json!("superseded")),
        })
    }
}

/// Tries a template on a sample pull request whose check has every input that it names.
///
/// # Errors
/// A clause, and where a name is unknown, all that are known there.
pub fn try_on_pull_request(
    template: &Template,
    scope: Scope,
    extra: &[&str],
) -> Result<(), (String, Vec<String>)> {
    let names = template.names();
    let inputs = names.iter().filter_map(|name| name.strip_prefix("inputs."));
    let inputs = inputs.map(|name| (name.to_owned(), "sample".to_owned()));
    let run = Sample::PullRequest.run("sample", inputs.collect::<BTreeMap<_, _>>());
    let failed = |why: String| (why, Vec::new());
    let context = scope.context(&trigger(&run)).map_err(failed)?;
    let context = extra.iter().fold(context, |all, name| with(&all, name, json!("1")));
    if let Some(unknown) = names.iter().find(|name| !is_known(&context, name)) {
        let known = context.as_object().into_iter().flat_map(|fields| fields.keys().cloned());
        return Err((format!("there is no {unknown} here"), known.collect()));
    }
    template.render(&context).map(drop).map_err(failed)
}

/// What minijinja itself has.
const BUILT_IN: [&str; 4] = ["range", "dict", "debug", "namespace"];

fn is_known(context: &Value, name: &str) -> bool {
    if BUILT_IN.contains(&name) {
        return true;
    }
    let mut at = context;
    for part in name.split('.') {
        match at {
            Value::Object(fields) => match fields.get(part) {
                Some(found) => at = found,
                None => return false,
            },
            // Methods of texts, and what null has, show when it is rendered.
            _ => return true,
        }
    }
    true
}

/// Renders every template for a run.
///
/// # Errors
/// One does not render: a clause that begins with the name of its call.
pub(super) fn render_all(options: &Options, of: &Trigger<'_>) -> Result<(), String> {
    let start = [("start", Scope::Start, Some(&options.start))];
    let others = [
        ("find", Scope::Find, options.find.as_ref()),
        ("poll", Scope::Poll, options.poll.as_ref()),
    ];
    let cancel = options.cancel.iter().map(|call| ("cancel", Scope::Cancel, Some(call)));
    for (name, scope, call) in start.into_iter().chain(others).chain(cancel) {
        let Some(call) = call else { continue };
        render(call, &scope.context(of)?).map_err(|why| format!("{name}.{why}"))?;
    }
    Ok(())
}

fn render(call: &Call, context: &Value) -> Result<(), String> {
    let failed = |error: crate::ci::error::Error| error.to_string();
    let with_value = with(context, "value", json!("1"));
    let own = if call.for_each.is_some() { &with_value } else { context };
    call.request.render(own).map_err(failed)?;
    if let Some(then) = &call.then {
        then.request.render(&with_value).map_err(|error| format!("then.{error}"))?;
    }
    if let Some(for_each) = &call.for_each {
        for_each.request.render(context).map_err(|error| format!("for_each.{error}"))?;
    }
    if let Some(TextFrom::Value(template)) = &call.id {
        template.render(context).map_err(|why| format!("id: {why}"))?;
    }
    if let Some(TextFrom::Value(template)) = &call.web_url {
        let with_id = with(context, "id", json!("1"));
        template.render(&with_id).map_err(|why| format!("web_url: {why}"))?;
    }
    Ok(())
}
