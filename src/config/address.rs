//! Addresses: what may stand in a URL, and whether others can reach it.
//!
//! Passwords and tokens travel to these addresses, so http is for this machine only, and nothing
//! that is refused is shown: an address may carry a password. It must never know who is called.

use url::{Host, Url};

use super::value::Value;

/// An address that paths are appended to: https, or http on this machine; no query; without a
/// trailing slash (a host alone keeps the one that `Url` insists on).
pub(super) fn base(value: &Value<'_>) -> Option<Url> {
    base_with_http(value, "this machine", is_loopback)
}

/// The same, where http also leads to the metadata service that a cloud gives a machine.
pub(super) fn metadata(value: &Value<'_>) -> Option<Url> {
    let is_near = |url: &Url| is_loopback(url) || is_link_local(url);
    base_with_http(value, "this machine and its metadata service", is_near)
}

fn base_with_http(value: &Value<'_>, near: &str, is_near: impl Fn(&Url) -> bool) -> Option<Url> {
    let mut url = any(value)?;
    let key = value.key;
    if url.query().is_some() {
        value
            .refuse(format!("{key} has a query"), format!("leave out what follows the ? in {key}"));
        return None;
    }
    if url.scheme() == "http" && !is_near(&url) {
        let help = format!("write {key} = \"https{}\"", url.as_str().trim_start_matches("http"));
        value.refuse(format!("{key} is http, which is for {near} only"), help);
        return None;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url)
}

/// An address that is called as it stands.
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
    let named = !url.username().is_empty() || url.password().is_some();
    if named {
        let help = format!("leave out what stands before the @ in {key}");
        value.refuse(format!("{key} has a user name or a password"), help);
    }
    if url.fragment().is_some() {
        let help = format!("leave out what follows the # in {key}");
        value.refuse(format!("{key} has a fragment"), help);
    }
    (!named && url.fragment().is_none()).then_some(url)
}

/// Whether only this machine can reach it.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether only this machine and its nearest neighbours can reach it.
fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => address.is_unicast_link_local(),
        Some(Host::Domain(_)) | None => false,
    }
}
