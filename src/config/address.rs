//! URLs: which parts they may have, and whether other machines can reach them.
//!
//! The gateway sends passwords and tokens to these URLs, so plain http is accepted for this machine
//! only. Messages do not quote a URL that is refused for its user name, since it may contain a
//! password.

use url::{Host, Url};

use super::value::Value;

/// A URL that paths are appended to: https, or http on this machine; without query. Trailing
/// slashes are removed, except the one that `Url` adds to a host alone.
pub(super) fn base(value: &Value<'_>) -> Option<Url> {
    base_with_http(value, "this machine", is_loopback)
}

/// Like [`base`], with http also for the metadata service of a cloud's virtual machine.
pub(super) fn metadata(value: &Value<'_>) -> Option<Url> {
    let may_use_http = |url: &Url| is_loopback(url) || is_link_local(url);
    base_with_http(value, "this machine and its metadata service", may_use_http)
}

fn base_with_http(
    value: &Value<'_>,
    allowed: &str,
    may_use_http: impl Fn(&Url) -> bool,
) -> Option<Url> {
    let mut url = any(value)?;
    let key = value.key;
    if url.query().is_some() {
        let help = format!("leave out what follows the ? in {key}");
        value.refuse(format!("{key} has a query"), help);
        return None;
    }
    if url.scheme() == "http" && !may_use_http(&url) {
        let help = format!("write {key} = \"https{}\"", url.as_str().trim_start_matches("http"));
        value.refuse(format!("{key} is http, which is accepted for {allowed} only"), help);
        return None;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url)
}

/// An http or https URL that is called unchanged; without user name, password and fragment.
pub(super) fn any(value: &Value<'_>) -> Option<Url> {
    let key = value.key;
    let Ok(url) = Url::parse(value.text()?) else {
        value.refuse(format!("{key} is not an address"), value.remedy());
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        value.refuse(format!("{key} is not an https address"), value.remedy());
        return None;
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user {
        let help = format!("leave out what precedes the @ in {key}");
        value.refuse(format!("{key} has a user name or a password"), help);
    }
    if url.fragment().is_some() {
        let help = format!("leave out what follows the # in {key}");
        value.refuse(format!("{key} has a fragment"), help);
    }
    (!has_user && url.fragment().is_none()).then_some(url)
}

/// The host of a URL whose rest is a template: https, or http on this machine. The host itself has
/// no placeholder.
pub(super) fn template(value: &Value<'_>) -> Option<Url> {
    let (key, text) = (value.key, value.text()?);
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('{') {
        let what =
            format!("the host of {key} has a placeholder: a value could choose who is called");
        value.refuse(what, "write the host, and placeholders after it only");
        return None;
    }
    let Ok(url) = Url::parse(&format!("{scheme}://{host}/")) else {
        value.refuse(format!("{key} is not an address"), value.remedy());
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        value.refuse(format!("{key} is not an https address"), value.remedy());
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        let what = format!("{key} has a user name or a password");
        value.refuse(what, format!("leave out what precedes the @ in {key}, and write auth"));
        return None;
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        let what = format!("{key} is http, which is accepted for this machine only");
        value.refuse(what, "write https://");
        return None;
    }
    Some(url)
}

/// Whether the host is a loopback name or address, which only this machine reaches.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether the host is a link-local address, which no router forwards.
fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => address.is_unicast_link_local(),
        Some(Host::Domain(_)) | None => false,
    }
}
