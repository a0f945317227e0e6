//! `kind = "http"`: every template is tried, and every pointer read, before there is a run.

/// `auth`.
mod auth;
/// One call.
mod call;
/// The certificate that the CI is shown.
mod client_identity;
/// Templates, each tried where it stands.
mod context;
/// Conditions on answers.
mod rules;

use std::sync::Arc;

use url::Url;

use self::call::{below, call};
use self::rules::pointer;
use crate::ci::http::call::Call;
use crate::ci::http::scope::Scope;
use crate::ci::http::sign::Sign;
use crate::ci::http::{CallbackOptions, Names, Options};
use crate::ci::{Kind, Scheme};
use crate::config::secrets;
use crate::config::section::Section;
use crate::config::value::{Range, Value};
use crate::secret::Secret;

pub(super) fn read(mut section: Section<'_>) -> Option<Arc<dyn Kind>> {
    let title = section.title().trim_matches(['[', ']']).to_owned();
    let auth = section.value("auth", "{ bearer = { env = \"CI_TOKEN\" } }");
    let auth = auth.map(|value| auth::read(&value));
    let start_value = section.required("start", "{ url = \"https://ci.example.com/start\" }");
    let start = start_value.and_then(|value| {
        call(below(&value, "ci.NAME.start", &format!("{title}.start"))?, Scope::Start, None)
    });
    let find = section.value("find", "{ url = \"https://ci.example.com/runs\" }").map(|value| {
        call(below(&value, "ci.NAME.find", &format!("{title}.find"))?, Scope::Find, None)
    });
    let poll_value = section.value("poll", "{ url = \"https://ci.example.com/runs/{{ id }}\" }");
    let poll = poll_value.map(|value| {
        call(below(&value, "ci.NAME.poll", &format!("{title}.poll"))?, Scope::Poll, None)
    });
    let cancel = section.value("cancel", "{ url = \"https://ci.example.com/runs/{{ id }}\" }");
    let cancel = cancel.map_or(Some(Vec::new()), |value| {
        cancels(&value, &format!("{title}.cancel"), poll.as_ref().and_then(Option::as_ref))
    });
    let result = section.value("result", "\"poll\"").map(|value| (value, value.word(&RESULTS)));
    let polls = match result {
        Some((value, Some(true))) if poll_value.is_none() => {
            let help = format!("add [{title}.poll], or write result = \"report\"");
            value.refuse("result is \"poll\", and there is no poll", help);
            true
        }
        Some((_, given)) => given.unwrap_or(true),
        None => poll_value.is_some(),
    };
    let lockout = section.value("on_429", "300s");
    let lockout = lockout.map(|value| value.duration(LOCKOUT));
    let client_identity = client_identity::read(&mut section);
    let sign = sign(&mut section);
    let callback = callback(&mut section, &title);
    let knows_id = |start: &Call| start.id.is_some() || start.then.is_some() || find.is_some();
    if let (Some(start), Some(value), true) = (&start, start_value, polls)
        && !knows_id(start)
    {
        check_ids(&value, poll.as_ref().and_then(Option::as_ref));
    }
    section.finish();
    let host = start_value.and_then(|value| host(&value))?;
    Some(Arc::new(Options {
        host,
        auth: auth.map_or(Some(None), |it| it.map(Some))?,
        sign: sign?,
        start: start?,
        find: find.map_or(Some(None), |it| it.map(Some))?,
        poll: poll.map_or(Some(None), |it| it.map(Some))?,
        cancel: cancel?,
        polls,
        callback: callback?,
        lockout: lockout.map_or(Some(None), |it| it.map(Some))?,
        client_identity: client_identity?,
    }))
}

/// A pause of an account is never longer than an hour.
const LOCKOUT: Range = Range { least: "1s", greatest: "1h", because: "" };

const RESULTS: [(&str, bool); 2] = [("poll", true), ("report", false)];

/// One call, or a list of them.
fn cancels(value: &Value<'_>, title: &str, poll: Option<&Call>) -> Option<Vec<Call>> {
    let default = poll.map(|poll| &poll.request.url);
    let read =
        |value: &Value<'_>| call(below(value, "ci.NAME.cancel", title)?, Scope::Cancel, default);
    if value.as_array().is_none() {
        return read(value).map(|call| vec![call]);
    }
    let calls: Vec<_> = value.items()?.iter().map(read).collect();
    calls.into_iter().collect()
}

/// Refuses a poll by an id that nothing tells.
fn check_ids(start: &Value<'_>, poll: Option<&Call>) {
    if poll.is_some_and(|poll| poll.request.url.names().contains("id")) {
        start.reader.refuse_missing(
            start.offset,
            "id is missing: poll asks for a run by its id, and neither start nor find tells it",
            "add id = \"/id\" to start, or id = { value = \"{{ run }}\" }",
        );
    }
}

/// Host and port of the call that starts runs, whose URL is checked already.
fn host(start: &Value<'_>) -> Option<String> {
    let url = start.as_table()?.get("url")?.get_ref().as_str()?;
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let url = Url::parse(&format!("{scheme}://{host}/")).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}{port}", url.host_str()?))
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    StandardWebhooks,
    HubSignature256,
}

const WAYS: [(&str, Way); 2] =
    [("standard_webhooks", Way::StandardWebhooks), ("x_hub_signature_256", Way::HubSignature256)];

/// `sign` and `secret`, which go together.
fn sign(section: &mut Section<'_>) -> Option<Vec<Sign>> {
    let ways = section.value("sign", "[\"standard_webhooks\"]");
    let secret = section.value("secret", "{ env = \"CI_SECRET\" }");
    match (ways, secret) {
        (None, None) => Some(Vec::new()),
        (Some(ways), None) => {
            ways.refuse("sign needs a secret", "add secret = { env = \"CI_SECRET\" }");
            None
        }
        (None, Some(secret)) => {
            let help = "add sign = [\"standard_webhooks\"], or leave secret out";
            secret.refuse("secret signs nothing without sign", help);
            None
        }
        (Some(ways), Some(secret)) => {
            let signs = ways.words(&WAYS)?.into_iter().map(|way| match way {
                Way::StandardWebhooks => {
                    let secrets = secrets::signing(&secret);
                    (!secrets.is_empty()).then_some(Sign::StandardWebhooks(secrets))
                }
                Way::HubSignature256 => {
                    texts(&secret).into_iter().next().map(Sign::HubSignature256)
                }
            });
            signs.collect()
        }
    }
}

/// One secret, or two while it is being replaced.
fn texts(value: &Value<'_>) -> Vec<Secret> {
    secrets::one_or_two(value, |value| Some(secrets::load(value, "")?.secret))
}

#[derive(Clone, Copy)]
enum CallbackScheme {
    StandardWebhooks,
    HubSignature256,
    HmacSha256,
    Token,
}

const SCHEMES: [(&str, CallbackScheme); 4] = [
    ("standard_webhooks", CallbackScheme::StandardWebhooks),
    ("x_hub_signature_256", CallbackScheme::HubSignature256),
    ("hmac_sha256", CallbackScheme::HmacSha256),
    ("token", CallbackScheme::Token),
];

/// `callback` and `webhook_secret`, which go together.
fn callback(section: &mut Section<'_>, title: &str) -> Option<Option<CallbackOptions>> {
    let value =
        section.value("callback", "{ scheme = \"token\", header = \"X-Token\", id = \"/id\" }");
    let secret = section.value("webhook_secret", "{ env = \"CI_WEBHOOK_SECRET\" }");
    let (value, secret) = match (value, secret) {
        (None, None) => return Some(None),
        (Some(value), None) => {
            let help = "add webhook_secret = { env = \"CI_WEBHOOK_SECRET\" }";
            value.refuse("callback needs a webhook_secret", help);
            return None;
        }
        (None, Some(secret)) => {
            let help = "add callback = { scheme = \"token\", header = \"X-Token\", id = \"/id\" }";
            secret.refuse("webhook_secret verifies nothing without callback", help);
            return None;
        }
        (Some(value), Some(secret)) => (value, secret),
    };
    let secrets = texts(&secret);
    let mut section = below(&value, "ci.NAME.callback", &format!("{title}.callback"))?;
    let scheme = section.required("scheme", "\"token\"").and_then(|value| value.word(&SCHEMES));
    let header = section.value("header", "\"X-Token\"");
    let run = section.value("run", "\"/run\"");
    let id = section.value("id", "\"/id\"");
    if let Some(scheme) = scheme {
        let needs = matches!(scheme, CallbackScheme::HmacSha256 | CallbackScheme::Token);
        match (header, needs) {
            (None, true) => section.refuse_missing("header", "add header = \"X-Token\""),
            (Some(header), false) => {
                header.refuse("header does not apply to this scheme", "leave it out");
            }
            _ => {}
        }
    }
    section.finish();
    let names = match (run, id) {
        (Some(run), None) => pointer(&run).map(Names::Run),
        (None, Some(id)) => pointer(&id).map(Names::Id),
        _ => {
            let help =
                "write run = \"/pointer\" to the gateway's id, or id = \"/pointer\" to the CI's";
            value.refuse("callback has neither or both of run and id", help);
            None
        }
    };
    let header = header.and_then(|value| value.text()).map(str::to_owned);
    let scheme = match scheme? {
        CallbackScheme::StandardWebhooks => Scheme::StandardWebhooks,
        CallbackScheme::HubSignature256 => Scheme::HubSignature256,
        CallbackScheme::HmacSha256 => Scheme::HmacSha256 { header: header? },
        CallbackScheme::Token => Scheme::Token { header: header? },
    };
    (!secrets.is_empty()).then_some(())?;
    Some(Some(CallbackOptions { scheme, secrets, names: names? }))
}
