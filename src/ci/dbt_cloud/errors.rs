//! What dbt Cloud's refusals say: an envelope with a text, or with texts by field.

use serde_json::Value;

use crate::ci::client::{Answer, Client};
use crate::ci::error::Error;
use crate::ci::text::words;

/// What an answer other than a success means. Of fields that are wrong, their names and texts are
/// told: the text of the envelope only says that there are some.
pub(super) fn failure(client: &Client, answer: &Answer) -> Error {
    match (client.failure(answer), fields(&answer.json())) {
        (Error::Refused { refusal, .. }, Some(fields)) => {
            let reason = format!("{} ({})", words(&fields, &client.masks), answer.status.as_u16());
            Error::Refused { reason, refusal }
        }
        (error, _) => error,
    }
}

/// `{"data": {"cause": ["This field is required."]}}`.
fn fields(body: &Value) -> Option<String> {
    let texts = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.first().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let fields = body.get("data")?.as_object()?.iter();
    let told: Vec<_> =
        fields.filter_map(|(name, value)| Some(format!("{name}: {}", texts(value)?))).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_fields_are_named() {
        let body = json!({"data": {"cause": ["This field is required."], "git_sha": "Too long."}});
        let told = "cause: This field is required.; git_sha: Too long.";
        assert_eq!(fields(&body), Some(told.to_owned()));
        for body in [json!({"data": null}), json!({"data": {}}), json!([]), Value::Null] {
            assert_eq!(fields(&body), None);
        }
    }
}
