//! `auth`: who the gateway is to the CI.

use reqwest::header::HeaderName;

use super::call::{below, request};
use super::context::Context;
use super::rules::pointer;
use crate::ci::Token;
use crate::ci::http::auth::{Auth, Basic, Keep, Login};
use crate::ci::http::scope::Scope;
use crate::config::secrets;
use crate::config::value::{Range, Value};

const HELP: &str = "write { bearer = { env = \"CI_TOKEN\" } }, { basic = { user, password } }, \
                    { header = { name, value } } or { login = { url, … } }";

pub(super) fn read(value: &Value<'_>) -> Option<Auth> {
    let mut section = below(value, "ci.NAME.auth", "auth")?;
    let bearer = section.value("bearer", "{ env = \"CI_TOKEN\" }");
    let basic =
        section.value("basic", "{ user = \"gateway\", password = { env = \"CI_PASSWORD\" } }");
    let header =
        section.value("header", "{ name = \"Circle-Token\", value = { env = \"CI_TOKEN\" } }");
    let login =
        section.value("login", "{ url = \"https://ci.example.com/login\", keep = \"cookie\" }");
    section.finish();
    let given: Vec<_> = [bearer, basic, header, login].into_iter().flatten().collect();
    if given.len() != 1 {
        value.refuse("auth has none or several ways to authorize calls", HELP);
        return None;
    }
    if let Some(bearer) = bearer {
        return token(&bearer).map(Auth::Bearer);
    }
    if let Some(basic) = basic {
        return self::basic(&basic).map(Auth::Basic);
    }
    if let Some(header) = header {
        return self::header(&header);
    }
    login.and_then(|login| self::login(&login)).map(|login| Auth::Login(Box::new(login)))
}

fn token(value: &Value<'_>) -> Option<Token> {
    let loaded = secrets::load(value, "")?;
    Some(Token::new(loaded.secret, loaded.file))
}

fn basic(value: &Value<'_>) -> Option<Basic> {
    let mut section = below(value, "ci.NAME.basic", "basic")?;
    let user = section.required("user", "\"gateway\"").and_then(|value| value.text_of(1, 200));
    let password = section.required("password", "{ env = \"CI_PASSWORD\" }");
    let password = password.and_then(|value| token(&value));
    section.finish();
    Some(Basic { user: user?.to_owned(), password: password? })
}

fn header(value: &Value<'_>) -> Option<Auth> {
    let mut section = below(value, "ci.NAME.header", "header")?;
    let name = section.required("name", "\"Circle-Token\"").and_then(|value| {
        let name = HeaderName::try_from(value.text()?).ok();
        if name.is_none() {
            value.refuse("name is not the name of a header", value.remedy());
        }
        name
    });
    let secret = section.required("value", "{ env = \"CI_TOKEN\" }");
    let secret = secret.and_then(|value| token(&value));
    section.finish();
    Some(Auth::Header { name: name?, value: secret? })
}

fn login(value: &Value<'_>) -> Option<Login> {
    let mut section = below(value, "ci.NAME.login", "login")?;
    let request = request(&mut section, Context::of(Scope::Login), None);
    let basic =
        section.value("basic", "{ user = \"gateway\", password = { env = \"CI_PASSWORD\" } }");
    let basic = basic.map(|value| self::basic(&value));
    let keep = section.required("keep", "\"cookie\"").and_then(|value| match value.text()? {
        "cookie" => Some(Keep::Cookie),
        text if !text.starts_with('/') => {
            let what = format!("keep cannot be {text:?}");
            value.refuse(what, "write \"cookie\", or a pointer to the token, as \"/access_token\"");
            None
        }
        _ => pointer(&value).map(Keep::Token),
    });
    let ttl = section.value("ttl", "12h");
    let range = Range { least: "1s", greatest: "30d", because: "" };
    let ttl = ttl.map(|value| value.duration(range));
    section.finish();
    Some(Login {
        request: request?,
        basic: basic.map_or(Some(None), |it| it.map(Some))?,
        keep: keep?,
        ttl: ttl.map_or(Some(None), |it| it.map(Some))?,
    })
}
