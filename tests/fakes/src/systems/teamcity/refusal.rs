//! Errors as TeamCity words them, and answers in JSON or XML.

use serde_json::{Value, json};

use crate::http::{Request, Response};

/// One error. It is always JSON here; [`negotiated`] changes that.
pub(super) fn error(status: u16, message: &str, more: &str) -> Response {
    let text = format!("Responding with error, status code: {status} ({message}).");
    let error = json!({"message": message, "additionalMessage": more, "statusText": text});
    Response::json(status, &json!({"errors": [error]}))
}

pub(super) fn not_found(what: &str) -> Response {
    error(404, "Not Found", what)
}

pub(super) fn unauthorized() -> Response {
    let text = "Incorrect username or password.\nTo login manually go to \"/login.html\" page\n";
    Response::text(401, text)
        .with_header("www-authenticate", "Basic realm=\"TeamCity\"")
        .with_header("www-authenticate", "Bearer realm=\"TeamCity\"")
}

/// Callers that do not ask for JSON get XML.
pub(super) fn negotiated(request: &Request, response: Response) -> Response {
    let asked = request.header("accept").unwrap_or_default();
    let is_json = response.header("content-type").is_some_and(|kind| kind.contains("json"));
    if !is_json || asked.contains("application/json") {
        return response;
    }
    let name = if response.status < 300 { "build" } else { "errors" };
    let body = response.body_json();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><{name}{}/>",
        attributes(&body)
    );
    Response { body: text.into_bytes(), ..Response::empty(response.status) }
        .with_header("content-type", "application/xml;charset=UTF-8")
}

fn attributes(body: &Value) -> String {
    let scalars = body.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.replace('&', "&amp;").replace('"', "&quot;"),
            Value::Number(number) => number.to_string(),
            Value::Bool(is) => is.to_string(),
            _ => return None,
        };
        Some(format!(" {name}=\"{text}\""))
    });
    scalars.collect()
}
