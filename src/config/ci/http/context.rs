//! Templates and trees of them, each tried where it stands.

use serde_json::{Map, Value as Json};

use crate::ci::Template;
use crate::ci::http::call::SECRETS;
use crate::ci::http::scope::{Scope, try_on_pull_request};
use crate::config::secrets;
use crate::config::suggestion;
use crate::config::value::Value;
use crate::secret::Secret;

/// Where a template stands: what it may name.
#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) scope: Scope,
    /// Names besides those of the scope.
    pub(super) extra: &'static [&'static str],
}

impl Context {
    pub(super) fn of(scope: Scope) -> Self {
        Self { scope, extra: &[] }
    }

    /// Where `value` is known, too.
    pub(super) fn with_value(self) -> Self {
        Self { extra: &["value"], ..self }
    }

    /// Reads a template, and tries it on a sample.
    pub(super) fn template(self, value: &Value<'_>, text: &str) -> Option<Template> {
        let key = value.key;
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(why) => {
                let help = "write text, with placeholders such as {{ run }}";
                value.refuse(format!("{key} is not a template: {why}"), help);
                return None;
            }
        };
        match try_on_pull_request(&template, self.scope, self.extra) {
            Ok(()) => Some(template),
            Err((why, known)) => {
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                let help = match known.is_empty() {
                    true => "see docs/ci.md, \"Templates\"".to_owned(),
                    false => format!("known here: {}", suggestion::quoted(&known)),
                };
                value.refuse(format!("{key} does not render: {why}"), help);
                None
            }
        }
    }

    /// A tree of JSON whose texts are templates. A table with nothing but `env` or `file` is a
    /// secret.
    pub(super) fn tree(self, value: &Value<'_>, secrets: &mut Vec<Secret>) -> Option<Json> {
        if value.as_array().is_some() {
            let items = value.items()?;
            let items: Vec<_> = items.iter().map(|item| self.tree(item, secrets)).collect();
            return items.into_iter().collect::<Option<Vec<_>>>().map(Json::Array);
        }
        if let Some(table) = value.as_table() {
            if let Some(template) = secret(value, secrets) {
                return template.map(Json::String);
            }
            let mut fields = Map::new();
            let mut is_whole = true;
            for (name, found) in table {
                let name: &str = name.get_ref();
                let found = Value::new(value.reader, value.key, value.example, found);
                match self.tree(&found, secrets) {
                    Some(json) => drop(fields.insert(name.to_owned(), json)),
                    None => is_whole = false,
                }
            }
            return is_whole.then_some(Json::Object(fields));
        }
        let scalar = value.scalar();
        match &scalar {
            Some(Json::String(text)) => self.template(value, text).and(scalar),
            Some(_) => scalar,
            None => {
                value.refuse(format!("{} has a number that is too large", value.key), "write text");
                None
            }
        }
    }

    /// JSON text, whose texts are templates.
    pub(super) fn json_text(self, value: &Value<'_>) -> Option<Json> {
        let json: Json = match serde_json::from_str(value.text()?) {
            Ok(json) => json,
            Err(error) => {
                let what = format!("{} is not JSON: {error}", value.key);
                value.refuse(what, "write JSON, with placeholders inside of its texts only");
                return None;
            }
        };
        self.try_tree(value, &json).then_some(json)
    }

    fn try_tree(self, value: &Value<'_>, json: &Json) -> bool {
        match json {
            Json::String(text) => self.template(value, text).is_some(),
            Json::Array(items) => items.iter().all(|item| self.try_tree(value, item)),
            Json::Object(fields) => fields.values().all(|field| self.try_tree(value, field)),
            _ => true,
        }
    }

    /// Text that is a template, or a secret.
    pub(super) fn text_or_secret(
        self,
        value: &Value<'_>,
        secrets: &mut Vec<Secret>,
    ) -> Option<Template> {
        if let Some(template) = secret(value, secrets) {
            return Template::parse(&template?).ok();
        }
        self.template(value, value.text()?)
    }
}

/// The placeholder of a secret, where the value is one; none in it where it cannot be loaded.
fn secret(value: &Value<'_>, secrets: &mut Vec<Secret>) -> Option<Option<String>> {
    let table = value.as_table()?;
    let is_secret = table.len() == 1
        && table.iter().all(|(name, found)| {
            matches!(name.get_ref().as_ref(), "env" | "file") && found.get_ref().is_str()
        });
    is_secret.then(|| {
        let loaded = secrets::load(value, "")?;
        secrets.push(loaded.secret);
        Some(format!("{{{{ {SECRETS}[{}] }}}}", secrets.len() - 1))
    })
}
