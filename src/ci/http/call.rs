//! One call, as it is configured: a request by templates, and what its answer means.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::{Map, Value, json};
use url::Url;

use super::pointer::Pointer;
use super::rules::{Conditions, Rule};
use crate::ci::client;
use crate::ci::error::{Error, unfit};
use crate::ci::template::{Template, render_tree};
use crate::secret::Secret;

/// Under this name templates find the secrets of their call: `{{ _secrets[0] }}`. The configuration
/// puts them there, and refuses texts that name it.
pub const SECRETS: &str = "_secrets";

/// A request by templates.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub url: Template,
    pub headers: Vec<(HeaderName, Template)>,
    pub body: Option<Body>,
    /// What `_secrets` stands for.
    pub secrets: Vec<Secret>,
    /// How long the call may take, where that is not `call_timeout`.
    pub timeout: Option<Duration>,
}

/// What a request carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Every text in it is a template.
    Json(Value),
    Form(Vec<(String, Template)>),
}

/// What the status of an answer means, where it is not what is usual. None: what is usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses {
    /// It was done; usually 2xx.
    pub ok: Option<Vec<u16>>,
    /// It was done before, for the same run.
    pub exists: Vec<u16>,
    /// It is refused, and would be again.
    pub refused: Vec<u16>,
    /// What was to be cancelled has ended; 404, 409 and 410 always mean it.
    pub gone: Vec<u16>,
    /// It was not done, and may be tried again; usually 408, 425, 429 and 5xx.
    pub retry: Vec<u16>,
}

/// Where a text of an answer is.
#[derive(Clone, Debug, PartialEq)]
pub enum TextFrom {
    Body(Pointer),
    /// In a header: the segment of its path, counted from 1, or from the end with -1; none for the
    /// header as it is.
    Header {
        name: HeaderName,
        segment: Option<i64>,
    },
    /// It is known without the answer.
    Value(Template),
}

/// A second request, with a value of the first answer in its URL.
#[derive(Clone, Debug)]
pub struct Then {
    pub from: Pointer,
    pub request: Request,
    pub id: Option<Pointer>,
}

/// A call is made for each item of a list.
#[derive(Clone, Debug)]
pub struct ForEach {
    pub request: Request,
    pub items: Pointer,
    pub value: Pointer,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    pub request: Request,
    pub statuses: Statuses,
    /// Where the CI's own words about an error are, before the usual places.
    pub error: Vec<Pointer>,
    pub id: Option<TextFrom>,
    pub web_url: Option<TextFrom>,
    pub then: Option<Then>,
    pub for_each: Option<ForEach>,
    pub rules: Vec<Rule>,
    pub description: Option<Pointer>,
    /// The list that rules, or the conditions of a look-up, are about.
    pub each: Option<Pointer>,
    /// For a look-up: which item is the run.
    pub when: Conditions,
}

impl Request {
    /// The request for a context.
    ///
    /// # Errors
    /// A template does not render, or renders to something else than it may: [`Error::Refused`].
    pub(super) fn render(&self, context: &Value) -> Result<client::Call, Error> {
        let (call, _) = self.render_with_body(context)?;
        Ok(call)
    }

    /// The same, and the JSON of its body.
    ///
    /// # Errors
    /// See [`Request::render`].
    pub(super) fn render_with_body(
        &self,
        context: &Value,
    ) -> Result<(client::Call, Option<Value>), Error> {
        let context = &self.with_secrets(context);
        let url = self.url.render_in_url(context).map_err(|why| unfit(format!("url: {why}")))?;
        let mut call = client::Call::new(self.method.clone(), called(&url).map_err(unfit)?);
        call.timeout = self.timeout;
        for (name, template) in &self.headers {
            let value = template.render(context);
            let value = value.map_err(|why| unfit(format!("header {name}: {why}")))?;
            call = match template.names().is_empty() {
                true => call.plain_header(name.clone(), &value),
                false => call.header(name.clone(), &value),
            };
        }
        Ok(match &self.body {
            None => (call, None),
            Some(Body::Json(tree)) => {
                let body =
                    render_tree(tree, context).map_err(|why| unfit(format!("json: {why}")))?;
                (call.json(&body), Some(body))
            }
            Some(Body::Form(fields)) => {
                let mut rendered = Vec::new();
                for (name, template) in fields {
                    let value = template.render_value(context);
                    let value = value.map_err(|why| unfit(format!("form.{name}: {why}")))?;
                    match value {
                        Value::Null => {}
                        Value::String(text) => rendered.push((name.clone(), text)),
                        other => rendered.push((name.clone(), other.to_string())),
                    }
                }
                (call.form(&rendered), None)
            }
        })
    }

    fn with_secrets(&self, context: &Value) -> Value {
        if self.secrets.is_empty() {
            return context.clone();
        }
        let secrets: Vec<_> = self.secrets.iter().map(Secret::expose).collect();
        with(context, SECRETS, json!(secrets))
    }
}

impl Call {
    /// What is sent in its requests and no text may contain.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let then = self.then.as_ref().map(|then| &then.request);
        let for_each = self.for_each.as_ref().map(|for_each| &for_each.request);
        let requests = [Some(&self.request), then, for_each].into_iter().flatten();
        requests.flat_map(|request| request.secrets.iter().cloned()).collect()
    }
}

/// The context with one more value.
pub(super) fn with(context: &Value, name: &str, value: Value) -> Value {
    let mut fields = context.as_object().cloned().unwrap_or_else(Map::new);
    fields.insert(name.to_owned(), value);
    Value::Object(fields)
}

/// A rendered URL, unless a value would lead it to another path.
fn called(text: &str) -> Result<Url, String> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("url: a segment of the path is . or ..".to_owned());
    }
    Url::parse(text).map_err(|_| "url: it is not an address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> Request {
        Request {
            method: Method::POST,
            url: Template::parse(url).unwrap(),
            headers: Vec::new(),
            body: Some(Body::Json(json!({ "run": "{{ run }}", "token": "{{ _secrets[0] }}" }))),
            secrets: vec![Secret::new("hidden".to_owned())],
            timeout: None,
        }
    }

    #[test]
    fn values_never_change_the_path_of_a_request() {
        let rendered = |id: &str| {
            let context = json!({ "run": "01a2", "id": id });
            request("https://ci.example/builds/{{ id }}").render(&context)
        };
        let call = rendered("a/../b?c#d").unwrap();
        assert_eq!(call.url.as_str(), "https://ci.example/builds/a%2F..%2Fb%3Fc%23d");
        for id in ["..", "."] {
            assert!(rendered(id).is_err(), "{id}");
        }
    }

    #[test]
    fn secrets_are_put_in_when_a_request_is_made() {
        let context = json!({ "run": "01a2", "id": 7 });
        let request = request("https://ci.example/{{ id }}");
        assert!(!format!("{request:?}").contains("hidden"));
        let body = request.render(&context).unwrap().body.unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), r#"{"run":"01a2","token":"hidden"}"#);
    }
}
