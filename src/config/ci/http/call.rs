//! One call: `start`, `find`, `poll`, or one of `cancel`.

use reqwest::Method;
use reqwest::header::HeaderName;
use url::Url;

use super::context::Context;
use super::rules::{conditions, pointer, rules};
use crate::ci::Template;
use crate::ci::http::call::{Body, Call, ForEach, Request, Statuses, TextFrom, Then};
use crate::ci::http::scope::Scope;
use crate::config::address;
use crate::config::ci::CALL_TIMEOUT;
use crate::config::section::Section;
use crate::config::value::Value;

const METHODS: [(&str, Verb); 5] = [
    ("GET", Verb::Get),
    ("POST", Verb::Post),
    ("PUT", Verb::Put),
    ("PATCH", Verb::Patch),
    ("DELETE", Verb::Delete),
];

#[derive(Clone, Copy)]
enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Method {
        match verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        }
    }
}

/// A table below the one of the CI.
pub(super) fn below<'r>(value: &Value<'r>, name: &'static str, title: &str) -> Option<Section<'r>> {
    let Some(table) = value.as_table() else {
        value.refuse_type("a table", format!("write [{title}] on a line of its own"));
        return None;
    };
    Some(Section::new(value.reader, name, format!("[{title}]"), value.offset, table))
}

/// A call. `url` is what it is sent to where it has none of its own.
pub(super) fn call(
    mut section: Section<'_>,
    scope: Scope,
    default_url: Option<&Template>,
) -> Option<Call> {
    let context = Context::of(scope);
    let for_each =
        section.value("for_each", "{ url = \"https://…\", items = \"/items\", value = \"/id\" }");
    let for_each = for_each.filter(|value| only_in(value, scope == Scope::Cancel, "cancel"));
    let own = if for_each.is_some() { context.with_value() } else { context };
    let request = request(&mut section, own, default_url);
    let statuses = statuses(&mut section, scope);
    let error = section.value("error", "[\"/message\"]").map_or(Some(Vec::new()), |value| {
        let pointers: Vec<_> = value.items()?.iter().map(pointer).collect();
        pointers.into_iter().collect()
    });
    let is_id_read = matches!(scope, Scope::Start | Scope::Find);
    let id = section.value("id", "\"/id\"");
    let id = id.filter(|value| only_in(value, is_id_read, "start and find"));
    let id = id.map(|value| text_from(&value, context, true));
    let web_url = section.value("web_url", "\"/web_url\"");
    let web = section.value("web", "\"/web_url\"");
    if let (Some(_), Some(web)) = (web_url, web) {
        web.refuse("web and web_url are the same", "keep web_url");
    }
    let web_url = web_url
        .or(web)
        .filter(|value| only_in(value, scope != Scope::Cancel, "start, find and poll"));
    let page = Context { extra: &["id"], ..context };
    let web_url = web_url.map(|value| text_from(&value, page, false));
    let then = section.value("then", "{ from = \"/id\", url = \"https://…\", id = \"/id\" }");
    let then = then.filter(|value| only_in(value, scope != Scope::Cancel, "start, find and poll"));
    let then = then.map(|value| self::then(&value, context, is_id_read));
    let for_each = for_each.map(|value| self::for_each(&value, context));
    let each = section.value("each", "\"/items\"");
    let each = each.filter(|value| {
        only_in(value, matches!(scope, Scope::Find | Scope::Poll), "find and poll")
    });
    let each_pointer = each.map(|value| pointer(&value));
    let when = section.value("when", "{ \"/run\" = \"{{ run }}\" }");
    let when = when.filter(|value| only_in(value, scope == Scope::Find, "find"));
    let when = when.map_or(Some(Vec::new()), |value| conditions(&value, Some(context)));
    let rules = rules_of(&mut section, scope, each.is_some());
    let description = section.value("description", "\"/message\"");
    let description = description.filter(|value| only_in(value, scope == Scope::Poll, "poll"));
    let description = description.map(|value| pointer(&value));
    if scope == Scope::Find && id.is_none() && then.is_none() {
        section.refuse_missing("id", "add id = \"/items/0/id\", which points to the CI's id");
    }
    section.finish();
    Some(Call {
        request: request?,
        statuses: statuses?,
        error: error?,
        id: id.map_or(Some(None), |id| id.map(Some))?,
        web_url: web_url.map_or(Some(None), |it| it.map(Some))?,
        then: then.map_or(Some(None), |it| it.map(Some))?,
        for_each: for_each.map_or(Some(None), |it| it.map(Some))?,
        rules: rules?,
        description: description.map_or(Some(None), |it| it.map(Some))?,
        each: each_pointer.map_or(Some(None), |it| it.map(Some))?,
        when: when?,
    })
}

fn only_in(value: &Value<'_>, is_there: bool, calls: &str) -> bool {
    if !is_there {
        value.refuse(
            format!("{} does not apply to this call", value.key),
            format!("leave it out: it applies to {calls}"),
        );
    }
    is_there
}

fn rules_of(
    section: &mut Section<'_>,
    scope: Scope,
    has_each: bool,
) -> Option<Vec<crate::ci::http::rules::Rule>> {
    const EXAMPLE: &str =
        "[{ when = { \"/status\" = \"ok\" }, is = \"succeeded\" }, { is = \"running\" }]";
    match (section.value("rules", EXAMPLE), scope == Scope::Poll) {
        (Some(value), true) => rules(&value, has_each),
        (Some(value), false) => only_in(&value, false, "poll").then(Vec::new),
        (None, false) => Some(Vec::new()),
        (None, true) => {
            section.refuse_missing("rules", format!("add rules = {EXAMPLE}"));
            None
        }
    }
}

/// `timeout`, `method`, `url`, `headers` and the body.
pub(super) fn request(
    section: &mut Section<'_>,
    context: Context,
    default_url: Option<&Template>,
) -> Option<Request> {
    let mut secrets = Vec::new();
    let timeout = section.value("timeout", "30s").map(|value| value.duration(CALL_TIMEOUT));
    let method = section.value("method", "\"POST\"").map(|value| value.word(&METHODS));
    let given = match default_url {
        None => section.required("url", "\"https://ci.example.com/api\""),
        Some(_) => section.value("url", "\"https://ci.example.com/api\""),
    };
    let url = match (given, default_url) {
        (Some(value), _) => url(&value, context).map(|(template, _)| template),
        (None, default) => default.cloned(),
    };
    let mut headers = Some(Vec::new());
    if let Some(table) = section.value("headers", "{ Accept = \"application/json\" }") {
        headers = self::headers(&table, context, &mut secrets);
    }
    let json = section.value("json", "{ run = \"{{ run }}\" }");
    let form = section.value("form", "{ run = \"{{ run }}\" }");
    let json_text = section.value("json_text", "'{\"run\": \"{{ run }}\"}'");
    if let [_, second, ..] = [json, form, json_text].iter().flatten().collect::<Vec<_>>()[..] {
        second.refuse("a call has one of json, form and json_text", "keep one of them");
        return None;
    }
    let body = match (json, form, json_text) {
        (Some(value), ..) => Some(context.tree(&value, &mut secrets).map(Body::Json)),
        (_, Some(value), _) => Some(form_fields(&value, context, &mut secrets)),
        (.., Some(value)) => Some(context.json_text(&value).map(Body::Json)),
        _ => None,
    };
    let default = if body.is_some() { Verb::Post } else { Verb::Get };
    let changes = matches!(context.scope, Scope::Start | Scope::Cancel);
    if changes && method.is_none() && body.is_none() && context.extra.is_empty() {
        let what = format!(
            "the call of {} has neither a body nor a method, so it is a GET",
            section.title()
        );
        section.reader.warn(section.offset, what, "write method = \"POST\", or method = \"GET\"");
    }
    Some(Request {
        method: method.map_or(Some(default), |method| method)?.into(),
        url: url?,
        headers: headers?,
        body: body.map_or(Some(None), |body| body.map(Some))?,
        secrets,
        timeout: timeout.map_or(Some(None), |it| it.map(Some))?,
    })
}

/// The template, and what its host is.
pub(super) fn url(value: &Value<'_>, context: Context) -> Option<(Template, Url)> {
    let host = address::template(value)?;
    let text = value.text()?;
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if text.contains('#') || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        let what = format!("{} has a fragment, or a segment . or ..", value.key);
        value.refuse(what, value.remedy());
        return None;
    }
    Some((context.template(value, text)?, host))
}

fn headers(
    table: &Value<'_>,
    context: Context,
    secrets: &mut Vec<crate::secret::Secret>,
) -> Option<Vec<(HeaderName, Template)>> {
    let section = below(table, "ci.NAME.headers", "headers")?;
    let mut all = Vec::new();
    let mut is_whole = true;
    for (name, value) in section.any_keys() {
        let Ok(header) = HeaderName::try_from(name) else {
            value.refuse(format!("{name:?} is not the name of a header"), "write Accept = \"…\"");
            is_whole = false;
            continue;
        };
        match context.text_or_secret(&value, secrets) {
            Some(template) => all.push((header, template)),
            None => is_whole = false,
        }
    }
    is_whole.then_some(all)
}

fn form_fields(
    value: &Value<'_>,
    context: Context,
    secrets: &mut Vec<crate::secret::Secret>,
) -> Option<Body> {
    let section = below(value, "ci.NAME.form", "form")?;
    let mut fields = Vec::new();
    let mut is_whole = true;
    for (name, value) in section.any_keys() {
        match context.text_or_secret(&value, secrets) {
            Some(template) => fields.push((name.to_owned(), template)),
            None => is_whole = false,
        }
    }
    is_whole.then_some(Body::Form(fields))
}

fn statuses(section: &mut Section<'_>, scope: Scope) -> Option<Statuses> {
    let mut list = |key, example, only: Option<(Scope, &str)>| match section.value(key, example) {
        None => Some(None),
        Some(value) => {
            if let Some((applies_to, name)) = only
                && !only_in(&value, scope == applies_to, name)
            {
                return None;
            }
            let items = value.items()?;
            let numbers: Vec<_> = items.iter().map(|item| item.integer(100, 599)).collect();
            let numbers = numbers.into_iter().collect::<Option<Vec<_>>>()?;
            Some(Some(numbers.into_iter().filter_map(|it| u16::try_from(it).ok()).collect()))
        }
    };
    let ok = list("ok", "[200]", None);
    let exists = list("exists", "[409]", Some((Scope::Start, "start")));
    let refused = list("refused", "[204]", None);
    let gone = list("gone", "[404]", Some((Scope::Cancel, "cancel")));
    let retry = list("retry", "[503]", None);
    Some(Statuses {
        ok: ok?,
        exists: exists?.unwrap_or_default(),
        refused: refused?.unwrap_or_default(),
        gone: gone?.unwrap_or_default(),
        retry: retry?.unwrap_or_default(),
    })
}

/// `"/pointer"`, `{ header, segment }` or `{ value }`.
fn text_from(value: &Value<'_>, context: Context, is_id: bool) -> Option<TextFrom> {
    if value.is_text() {
        return pointer(value).map(TextFrom::Body);
    }
    let help =
        "write \"/pointer\", { header = \"Location\", segment = -1 } or { value = \"{{ run }}\" }";
    let Some(table) = value.as_table() else {
        value.refuse_type("a JSON pointer or a table", help);
        return None;
    };
    let mut section = Section::new(value.reader, "ci.NAME.text", value.key, value.offset, table);
    let header = section.value("header", "\"Location\"");
    let segment = section.value("segment", "-1");
    let chosen = section.value("value", "\"{{ run }}\"");
    section.finish();
    match (header, chosen) {
        (Some(header), None) => {
            let Ok(name) = HeaderName::try_from(header.text()?) else {
                header.refuse("header is not the name of a header", header.remedy());
                return None;
            };
            let segment = match segment {
                None => is_id.then_some(-1),
                Some(value) if value.is_word("last") => Some(-1),
                Some(value) => {
                    let number = value.integer(-64, 64)?;
                    if number == 0 {
                        value.refuse("segment is 0", "count from 1, or from the end with -1");
                        return None;
                    }
                    Some(number)
                }
            };
            Some(TextFrom::Header { name, segment })
        }
        (None, Some(chosen)) => {
            if !is_id && chosen.is_text() {
                address::template(&chosen)?;
            }
            context.template(&chosen, chosen.text()?).map(TextFrom::Value)
        }
        _ => {
            value.refuse(format!("{} has neither or both of header and value", value.key), help);
            None
        }
    }
}

fn then(value: &Value<'_>, context: Context, has_id: bool) -> Option<Then> {
    let mut section = below(value, "ci.NAME.then", "then")?;
    let from = section.required("from", "\"/id\"").and_then(|value| pointer(&value));
    let request = request(&mut section, context.with_value(), None);
    let id = match has_id {
        true => section.required("id", "\"/items/0/id\""),
        false => section.value("id", "\"/items/0/id\""),
    };
    let id = id.map(|value| pointer(&value));
    section.finish();
    Some(Then { from: from?, request: request?, id: id.map_or(Some(None), |id| id.map(Some))? })
}

fn for_each(value: &Value<'_>, context: Context) -> Option<ForEach> {
    let mut section = below(value, "ci.NAME.for_each", "for_each")?;
    let items = section.required("items", "\"/items\"").and_then(|value| pointer(&value));
    let of_item = section.required("value", "\"/id\"").and_then(|value| pointer(&value));
    // The list itself is asked for without a value.
    let request = request(&mut section, Context { extra: &["reason"], ..context }, None);
    section.finish();
    Some(ForEach { request: request?, items: items?, value: of_item? })
}
