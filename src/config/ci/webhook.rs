//! `kind = "webhook"`.

use std::sync::Arc;

use url::Url;

use crate::ci::{Kind, webhook};
use crate::config::address;
use crate::config::secrets;
use crate::config::section::Section;
use crate::config::value::Value;

pub(super) fn read(mut section: Section<'_>) -> Option<Arc<dyn Kind>> {
    let value = section.required("url", "\"https://ci.example.com/start\"");
    let url = value.and_then(|value| checked(&value, "report tokens are sent"));
    let value = section.value("cancel_url", "\"https://ci.example.com/cancel\"");
    let cancel_url = value.map(|value| checked(&value, "requests are sent"));
    let secret = section.required("secret", "{ env = \"BUILDER_SECRET\" }");
    let secrets = secret.map(|value| secrets::signing(&value));
    section.finish();
    let cancel_url = cancel_url.map_or(Some(None), |url| url.map(Some));
    let options = webhook::Options { url: url?, cancel_url: cancel_url?, secrets: secrets? };
    Some(Arc::new(options))
}

fn checked(value: &Value<'_>, what: &str) -> Option<Url> {
    let url = address::any(value)?;
    if url.scheme() == "http" && !address::is_loopback(&url) {
        let what = format!("{} is http: {what} without encryption", value.key);
        value.reader.warn(value.offset, what, "write an https address");
    }
    Some(url)
}
