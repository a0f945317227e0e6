//! Templates in the configuration: minijinja, rendered to values and never to JSON text, so that no
//! title of a pull request can change the structure of a request.
//!
//! A template sees the JSON of the trigger. What it names has to exist (docs/ci.md, "Templates").

use std::collections::BTreeSet;

use minijinja::value::ValueKind;
use minijinja::{Environment, Output, State, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What a rendered text may be long, at most.
const RENDERED_BYTES_MAX: usize = 64 * 1024;
/// Steps of a template, at most.
const FUEL: u64 = 20_000;
/// What stays as it is in a URL (RFC 3986, 2.3).
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest name by RFC 1123.
const DNS_NAME_BYTES_MAX: usize = 63;

/// A template that was found to be well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it: a clause.
    pub fn parse(text: &str) -> Result<Self, String> {
        environment().template_from_str(text).map_err(|error| message(&error))?;
        Ok(Self(text.to_owned()))
    }

    /// The text as configured.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The names that it looks up, such as `pull_request.id`, in order.
    pub fn names(&self) -> BTreeSet<String> {
        let environment = environment();
        let parsed = environment.template_from_str(&self.0);
        parsed.map(|it| it.undeclared_variables(true).into_iter().collect()).unwrap_or_default()
    }

    /// The rendered text.
    ///
    /// # Errors
    /// It names something that is not there, or the text is too long: a clause.
    pub fn render(&self, context: &Value) -> Result<String, String> {
        bounded(environment().render_str(&self.0, serialized(context)))
    }

    /// The rendered URL: each value is percent-encoded.
    ///
    /// # Errors
    /// See [`Template::render`].
    pub fn render_in_url(&self, context: &Value) -> Result<String, String> {
        let mut environment = environment();
        environment.set_formatter(percent_encoded);
        bounded(environment.render_str(&self.0, serialized(context)))
    }

    /// The rendered value: of a template that is one placeholder, with its type; otherwise a text.
    /// Null for what is absent.
    ///
    /// # Errors
    /// See [`Template::render`].
    pub fn render_value(&self, context: &Value) -> Result<Value, String> {
        let Some(expression) = one_placeholder(&self.0) else {
            return self.render(context).map(Value::String);
        };
        let environment = environment();
        let compiled =
            environment.compile_expression(expression).map_err(|error| message(&error))?;
        let value = compiled.eval(serialized(context)).map_err(|error| message(&error))?;
        if value.kind() == ValueKind::Undefined {
            // `x if y` is absent where y is not; a name that does not exist is an error.
            return match self.render(context) {
                Ok(_) => Ok(Value::Null),
                Err(why) => Err(why),
            };
        }
        serde_json::to_value(value).map_err(|error| error.to_string())
    }
}

/// Renders every text in a tree of JSON; what is null afterwards where a template stood is left
/// out.
///
/// # Errors
/// See [`Template::render`].
pub(crate) fn render_tree(tree: &Value, context: &Value) -> Result<Value, String> {
    Ok(match tree {
        Value::String(text) if text.contains("{{") || text.contains("{%") => {
            Template(text.clone()).render_value(context)?
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| render_tree(item, context));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let mut rendered = Map::new();
            for (name, value) in fields {
                let new = render_tree(value, context)?;
                if !new.is_null() || value.is_null() {
                    rendered.insert(name.clone(), new);
                }
            }
            Value::Object(rendered)
        }
        other => other.clone(),
    })
}

/// `expression` of `{{ expression }}`, where that is the whole text.
fn one_placeholder(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then(|| inner.trim())
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("dns", |text: String| dns_name(&text));
    environment.add_filter("short", |text: String| short_ref(&text).to_owned());
    environment.add_filter("json", |value: minijinja::Value| {
        serde_json::to_string(&value).map_err(|error| {
            minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, error.to_string())
        })
    });
    environment
}

fn serialized(context: &Value) -> minijinja::Value {
    minijinja::Value::from(minijinja::value::Serde(context))
}

fn bounded(rendered: Result<String, minijinja::Error>) -> Result<String, String> {
    let rendered = rendered.map_err(|error| message(&error))?;
    if rendered.len() > RENDERED_BYTES_MAX {
        return Err(format!("it renders to more than {} KiB", RENDERED_BYTES_MAX / 1024));
    }
    Ok(rendered)
}

/// The error without the name of a template, which has none.
fn message(error: &minijinja::Error) -> String {
    let detail = error.detail().map(str::to_owned);
    detail.unwrap_or_else(|| error.kind().to_string())
}

fn percent_encoded(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &minijinja::Value,
) -> Result<(), minijinja::Error> {
    if value.is_undefined() {
        return minijinja::escape_formatter(out, state, value);
    }
    let text = value.to_string();
    write!(out, "{}", utf8_percent_encode(&text, IN_URL)).map_err(|_| {
        minijinja::Error::new(minijinja::ErrorKind::WriteFailure, "the URL is not written")
    })
}

/// The branch of `refs/heads/…`, or the ref as it is.
pub(crate) fn short_ref(git_ref: &str) -> &str {
    git_ref.strip_prefix("refs/heads/").unwrap_or(git_ref)
}

/// A name by RFC 1123: lower case, digits and hyphens; one that is cut ends in a digest, so that
/// different texts have different names.
pub(crate) fn dns_name(text: &str) -> String {
    let name: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    if name.len() <= DNS_NAME_BYTES_MAX && name == text {
        return name.to_owned();
    }
    let digest = Sha256::digest(text.as_bytes());
    let suffix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let begin: String = name.chars().take(DNS_NAME_BYTES_MAX - 9).collect();
    match begin.trim_matches('-') {
        "" => format!("x{suffix}"),
        begin => format!("{begin}-{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context() -> Value {
        json!({
            "run": "01a2", "ref": "refs/heads/a b&c", "branch": "a b&c", "attempt": 2,
            "pull_request": { "id": 42, "title": "\"}, \"evil\": {\"" },
            "nothing": null,
        })
    }

    fn rendered(text: &str) -> Result<Value, String> {
        Template::parse(text)?.render_value(&context())
    }

    #[test]
    fn one_placeholder_keeps_its_type() {
        for (text, value) in [
            ("{{ pull_request.id }}", json!(42)),
            ("{{pull_request.id}}", json!(42)),
            ("pr {{ pull_request.id }}", json!("pr 42")),
            ("{{ nothing }}", json!(null)),
            ("{{ pull_request.id if nothing }}", json!(null)),
            ("{{ ref | short }}", json!("a b&c")),
            ("{{ pull_request | json }}", json!(context()["pull_request"].to_string())),
            ("plain", json!("plain")),
            ("{{ run }}-{{ attempt }}", json!("01a2-2")),
        ] {
            assert_eq!(rendered(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_does_not_exist_is_an_error() {
        for text in
            ["{{ branches }}", "{{ pull_request.nr }}", "x{{ inputs.x }}", "{{ nothing.x }}"]
        {
            assert!(rendered(text).is_err(), "{text}: {:?}", rendered(text));
        }
        for text in ["{{ run", "{% if %}", "{{ run | nofilter }}"] {
            let wrong = Template::parse(text).and_then(|it| it.render(&context()));
            assert!(wrong.is_err(), "{text}");
        }
        let endless = rendered(
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        );
        assert!(endless.is_err());
    }

    #[test]
    fn no_value_changes_the_structure_of_a_request() {
        let tree = json!({ "title": "{{ pull_request.title }}", "n": ["{{ attempt }}", 7, null],
            "left_out": "{{ nothing }}", "kept": null });
        assert_eq!(
            render_tree(&tree, &context()),
            Ok(json!({ "title": "\"}, \"evil\": {\"", "n": [2, 7, null], "kept": null }))
        );
        let url = Template::parse("https://ci.example/x/{{ branch }}?t={{ pull_request.title }}");
        assert_eq!(
            url.unwrap().render_in_url(&context()).unwrap(),
            "https://ci.example/x/a%20b%26c?t=%22%7D%2C%20%22evil%22%3A%20%7B%22"
        );
    }

    #[test]
    fn names_of_kubernetes_are_valid_and_differ() {
        assert_eq!(dns_name("01a2-3b"), "01a2-3b");
        assert_ne!(dns_name("a_b"), dns_name("a-b"));
        for text in ["x".repeat(80), "Ä Ö".to_owned(), "--".to_owned(), "-a-".to_owned()] {
            let name = dns_name(&text);
            let valid = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
            assert!(name.len() <= 63 && name.starts_with(valid) && name.ends_with(valid), "{name}");
        }
    }
}
