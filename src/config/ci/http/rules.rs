//! `rules` and `when`: conditions on answers.

use serde_json::Value as Json;

use super::context::Context;
use crate::ci::http::pointer::Pointer;
use crate::ci::http::rules::{Conditions, Expected, Rule, When};
use crate::config::section::Section;
use crate::config::value::Value;
use crate::domain::run::Reported;

const STATES: [(&str, Reported); 5] = [
    ("running", Reported::Running),
    ("succeeded", Reported::Succeeded),
    ("failed", Reported::Failed),
    ("errored", Reported::Errored),
    ("cancelled", Reported::Cancelled),
];

/// `rules = [{ when = { "/pointer" = value }, is = "state" }]`.
pub(super) fn rules(value: &Value<'_>, has_each: bool) -> Option<Vec<Rule>> {
    let items = value.items()?;
    let mut rules: Vec<Rule> = Vec::new();
    let mut is_whole = true;
    for item in &items {
        let Some(table) = item.as_table() else {
            item.refuse_type(
                "a table",
                "write { when = { \"/status\" = \"ok\" }, is = \"succeeded\" }",
            );
            is_whole = false;
            continue;
        };
        let section = Section::new(item.reader, "ci.NAME.rules", "a rule", item.offset, table);
        let Some(rule) = rule(section, has_each) else {
            is_whole = false;
            continue;
        };
        if rules.last().is_some_and(Rule::is_default) {
            let help = "put the rule without when last: the first one that matches counts";
            item.refuse("this rule is never reached: the one before it matches everything", help);
            is_whole = false;
        }
        rules.push(rule);
    }
    if items.is_empty() {
        value.refuse("rules is empty, so nothing is known about a run", value.remedy());
        return None;
    }
    if is_whole && !rules.last().is_some_and(Rule::is_default) {
        value.warn(
            "no rule matches everything: what matches none counts as running",
            "end the list with { when = {}, is = \"running\" }, or is = \"errored\"",
        );
    }
    is_whole.then_some(rules)
}

fn rule(mut section: Section<'_>, has_each: bool) -> Option<Rule> {
    let is = section.required("is", "\"succeeded\"").and_then(|value| value.word(&STATES));
    let when = section.value("when", "{ \"/status\" = \"ok\" }");
    let any = section.value("any", "{ \"/status\" = \"failed\" }");
    let all = section.value("all", "{ \"/status\" = \"success\" }");
    let offset = section.offset;
    let reader = section.reader;
    section.finish();
    let given: Vec<_> = [when, any, all].into_iter().flatten().collect();
    if given.len() > 1 {
        reader.refuse(offset, "a rule has more than one of when, any and all", "write two rules");
        return None;
    }
    for list in [any, all].into_iter().flatten().filter(|_| !has_each) {
        let what = format!("{} is about the items of a list, and there is no each", list.key);
        list.refuse(what, "add each = \"/items\", which points to the list");
    }
    let when = match (when, any, all) {
        (None, Some(any), None) => When::Any(conditions(&any, None)?),
        (None, None, Some(all)) => When::All(conditions(&all, None)?),
        (None, _, _) => When::Answer(Vec::new()),
        (Some(when), _, _) => When::Answer(conditions(&when, None)?),
    };
    Some(Rule { when, is: is? })
}

/// `{ "/pointer" = value, … }`; with a context, texts are templates.
pub(super) fn conditions(value: &Value<'_>, context: Option<Context>) -> Option<Conditions> {
    let Some(table) = value.as_table() else {
        value.refuse_type("a table", value.remedy());
        return None;
    };
    let mut conditions = Vec::new();
    let mut is_whole = true;
    for (name, found) in table {
        let found = Value::new(value.reader, value.key, value.example, found);
        let pointer = parsed(&found, name.get_ref().as_ref());
        match (pointer, expected(&found, context)) {
            (Some(pointer), Some(expected)) => conditions.push((pointer, expected)),
            _ => is_whole = false,
        }
    }
    is_whole.then_some(conditions)
}

fn expected(value: &Value<'_>, context: Option<Context>) -> Option<Expected> {
    if value.as_array().is_some() {
        let items = value.items()?;
        let all: Vec<_> = items.iter().map(|item| expected(item, context)).collect();
        return all.into_iter().collect::<Option<Vec<_>>>().map(Expected::OneOf);
    }
    let Some(scalar) = value.scalar() else {
        value.refuse_type(
            "text, a number, true, false, or a list of them",
            "write \"*\" for any value",
        );
        return None;
    };
    Some(match scalar {
        Json::String(text) if text == "*" => Expected::Present,
        Json::String(text) if text.ends_with('*') => {
            Expected::Prefix(text.trim_end_matches('*').to_owned())
        }
        Json::String(text) if text.contains("{{") => match context {
            Some(context) => {
                context.template(value, &text)?;
                Expected::Is(Json::String(text))
            }
            None => {
                let help = "write the value that the answer has";
                value.refuse("a rule has no placeholders", help);
                return None;
            }
        },
        scalar => Expected::Is(scalar),
    })
}

/// A JSON pointer.
pub(super) fn pointer(value: &Value<'_>) -> Option<Pointer> {
    parsed(value, value.text()?)
}

fn parsed(value: &Value<'_>, text: &str) -> Option<Pointer> {
    match Pointer::parse(text) {
        Ok(pointer) => Some(pointer),
        Err(why) => {
            let what = format!("{}: {text:?} is not a JSON pointer: {why}", value.key);
            value.refuse(what, "write \"/build/0/id\", as RFC 6901 says");
            None
        }
    }
}
