//! The parameters of lists, and pages of them: `?limit=`, `?cursor=` and the answer
//! `{items, next}`. A cursor is opaque to callers.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::domain::time::Timestamp;
use crate::server::problem::Problem;
use crate::storage::{Between, Page, Paged};

/// Rows of a page, where no other number is asked for.
pub(in crate::server) const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// The parameters of a request.
#[derive(Debug)]
pub(in crate::server) struct Parameters(HashMap<String, String>);

impl Parameters {
    /// Refuses a parameter that is not among `known` or those of every list: with a misspelt filter
    /// the list would show everything.
    pub(in crate::server) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let known = [&["limit", "cursor"], known].concat();
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let known = known.join(", ");
                Err(Problem::field(name, format!("unknown parameter; there are {known}")))
            }
        }
    }

    /// Without those that are empty: a form sends every field.
    pub(in crate::server) fn filled(mut self) -> Self {
        self.0.retain(|_, value| !value.trim().is_empty());
        self
    }

    /// Those of these names, in their order.
    pub(in crate::server) fn among(&self, names: &[&'static str]) -> Vec<(&'static str, String)> {
        let named = names.iter().filter_map(|name| Some((*name, self.get(name)?)));
        named.collect()
    }

    /// A parameter as it was sent.
    pub(in crate::server) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// A parameter of another type. `expected` says what it has to be.
    pub(in crate::server) fn parse<T: FromStr>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        self.parse_with(name, expected, |text| text.parse().ok())
    }

    /// The times that `since` and `until` name.
    pub(in crate::server) fn between(&self) -> Result<Between, Problem> {
        let expected = "a time such as 2026-11-28T14:00:00Z, or a day";
        let time = |name| self.parse_with(name, expected, time);
        Ok(Between { since: time("since")?, until: time("until")? })
    }

    /// Like [`Parameters::parse`], with another parser.
    pub(in crate::server) fn parse_with<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let parsed = |text: &String| {
            parse(text).ok_or_else(|| Problem::field(name, format!("{expected} is needed")))
        };
        self.0.get(name).map(parsed).transpose()
    }
}

impl FromRequest for Parameters {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(parameters(request)))
    }
}

impl FromRequest for Page {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(page(&parameters(request)).map_err(Into::into))
    }
}

fn parameters(request: &HttpRequest) -> Parameters {
    let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    Parameters(pairs.into_owned().collect())
}

/// A time, also as forms of browsers send it, without seconds; or the beginning of a day. All are
/// in UTC where nothing else is said.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let read = |end: &str| Timestamp::parse(&format!("{text}{end}"));
    ["", ":00Z", "T00:00:00Z"].into_iter().find_map(read)
}

fn page(parameters: &Parameters) -> Result<Page, Problem> {
    let expected = format!("a number from 1 to {LIMIT_MAX}");
    let limit = parameters.parse("limit", &expected)?.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", format!("{expected} is needed")));
    }
    let decode = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        String::from_utf8(bytes).ok()?.parse().ok()
    };
    let expected = "what an earlier answer gave as `next`";
    Ok(Page { limit, before: parameters.parse_with("cursor", expected, decode)? })
}

/// The words that a parameter may be, for people.
pub(super) fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> String {
    all.iter().map(|one| word(*one)).collect::<Vec<_>>().join(", ")
}

/// A page with rendered items.
pub(super) fn rendered<T>(page: Paged<T>, render: impl Fn(&T) -> Value) -> Paged<Value> {
    Paged { items: page.items.iter().map(render).collect(), next: page.next }
}

/// `{items, next}`.
pub(super) fn listed(page: Paged<Value>) -> Value {
    let next = page.next.map(cursor);
    json!({ "items": page.items, "next": next })
}

/// The value of `cursor` for the page that begins before this number.
pub(in crate::server) fn cursor(number: i64) -> String {
    URL_SAFE_NO_PAD.encode(number.to_string())
}
