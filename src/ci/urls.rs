//! URLs: those that are called are built from the configuration and from ids; those of answers are
//! for people only.

use serde_json::Value;
use url::Url;

/// A longer address is no link for people.
const WEB_URL_CHARS_MAX: usize = 2_048;

/// An address below `base`: each segment is percent-encoded.
pub(in crate::ci) fn below<'s>(base: &Url, segments: impl IntoIterator<Item = &'s str>) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// The same with a query.
pub(in crate::ci) fn below_with(base: &Url, segments: &[&str], query: &[(&str, &str)]) -> Url {
    let mut url = below(base, segments.iter().copied());
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// What an answer says is the page of a run, where that is safe to click on. It is never called.
pub(in crate::ci) fn web_url(answered: Option<&Value>) -> Option<String> {
    web_link(answered?.as_str()?)
}

/// A link, where it is safe to click on.
pub(crate) fn web_link(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_safe = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && text.chars().count() <= WEB_URL_CHARS_MAX;
    is_safe.then(|| text.to_owned())
}

/// An id in an answer: a text that is not empty, or a whole number.
pub(in crate::ci) fn id(answered: Option<&Value>) -> Option<String> {
    match answered? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn segments_stay_segments() {
        for base in ["https://ci.example/api", "https://ci.example/api/"] {
            let base = Url::parse(base).unwrap();
            let url = below(&base, ["group/name", "a b?#%2F", ".."]);
            assert_eq!(url.as_str(), "https://ci.example/api/group%2Fname/a%20b%3F%23%252F");
        }
    }

    #[test]
    fn only_links_for_people_are_taken_over() {
        let long = format!("https://ci.example/{}", "x".repeat(2_048));
        for (answered, is_taken) in [
            (json!("https://ci.example/7"), true),
            (json!("http://ci.example/7"), true),
            (json!("javascript:alert(1)"), false),
            (json!("https://me:secret@ci.example/7"), false),
            (json!("/7"), false),
            (json!(long), false),
            (json!(7), false),
        ] {
            assert_eq!(web_url(Some(&answered)).is_some(), is_taken, "{answered}");
        }
    }

    #[test]
    fn ids_are_texts_and_whole_numbers() {
        for (answered, expected) in [
            (json!(19_000_000_001_u64), Some("19000000001")),
            (json!("7"), Some("7")),
            (json!(""), None),
            (json!(-1), None),
            (json!([7]), None),
        ] {
            assert_eq!(id(Some(&answered)).as_deref(), expected, "{answered}");
        }
    }
}
