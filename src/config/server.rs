//! `[server]` and `[[api_token]]`: the listener, its limits, and who may call the API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::Url;

use crate::domain::audit::Via;
use crate::secret::Secret;
use crate::server::{self, ApiToken, Role};

use super::address;
use super::ci::runner::read_labels;
use super::reader::Reader;
use super::secrets;
use super::section::Section;
use super::value::{Range, Value};

/// `[server]`, and the byte offset of `public_url`.
pub(super) fn options(section: Option<Section<'_>>) -> Option<(server::Options, usize)> {
    let mut section = section?;
    let listen = section.value("listen", "\"127.0.0.1:8080\"");
    let listen = listen.and_then(|value| socket(&value)).unwrap_or(LISTEN);
    let admin_listen = section.value("admin_listen", "\"127.0.0.1:9090\"");
    let admin_listen = admin_listen.and_then(|value| admin_socket(&value, listen));
    let public_url = section.required("public_url", "\"https://gateway.example.com\"");
    let public_url = public_url.and_then(|value| Some((address::base(&value)?, value.offset)));
    let body_bytes_max = body_limit(&mut section);
    let memory_bytes_max = memory_limit(&mut section, body_bytes_max);
    let drain = Range { least: "0s", greatest: "1h", because: "" };
    let drain = section.duration("drain", "20s", drain);
    section.finish();
    let (public_url, offset) = public_url?;
    let options = server::Options {
        listen,
        admin_listen,
        public_url,
        body_bytes_max,
        memory_bytes_max,
        drain,
    };
    Some((options, offset))
}

/// The default of `listen`.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

fn socket(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.text()?;
    if let Ok(socket) = text.parse() {
        return Some(socket);
    }
    let key = value.key;
    let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let help = match port {
        Some(port) => format!("write {key} = \"127.0.0.1:{port}\" or \"0.0.0.0:{port}\""),
        None => value.remedy(),
    };
    value.refuse(format!("{key} must be an IP address and a port"), help);
    None
}

fn admin_socket(value: &Value<'_>, listen: SocketAddr) -> Option<SocketAddr> {
    let socket = socket(value)?;
    // Port 0 is another one each time.
    if socket == listen && socket.port() != 0 {
        let what = "admin_listen is the address of listen, where metrics need a token";
        value.refuse(what, "give it another port, which only a private network reaches");
    }
    Some(socket)
}

/// The default of `body_limit`.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The size of the longest delivery (Microsoft Learn: "Troubleshoot service hooks").
const DELIVERY_BYTES_MAX: usize = 2 * 1000 * 1000;

fn body_limit(section: &mut Section<'_>) -> usize {
    let because = ": one delivery of Azure DevOps has up to 2 MB";
    let range = Range { least: "1KiB", greatest: "64MiB", because };
    let Some(value) = section.value("body_limit", "4MiB") else { return BODY_BYTES_MAX };
    let limit = value.size(range).unwrap_or(BODY_BYTES_MAX);
    if limit < DELIVERY_BYTES_MAX {
        let what = "body_limit is less than the 2 MB that a delivery can have: Azure DevOps puts \
                    a subscription on probation when a longer delivery is refused";
        value.reader.warn(value.offset, what, "write body_limit = \"2MiB\" or more");
    }
    limit
}

/// The default of `memory_limit`.
const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;

fn memory_limit(section: &mut Section<'_>, body_bytes_max: usize) -> usize {
    let range = Range { least: "1MiB", greatest: "4GiB", because: "" };
    let limit = section.value("memory_limit", "64MiB").map(|value| (value.size(range), value));
    let Some((Some(limit), value)) = limit else { return MEMORY_BYTES_MAX.max(body_bytes_max) };
    if limit < body_bytes_max {
        let what = "memory_limit is less than body_limit: the longest deliveries would be answered \
                    503 until Azure DevOps stops repeating them";
        value.reader.refuse(value.offset, what, "write as much as body_limit, or more");
    }
    limit
}

/// Refuses a loopback `public_url` where an organization, `remote`, is on another machine.
pub(super) fn check_reach(
    reader: &Reader<'_>,
    public_url: &Url,
    offset: usize,
    remote: Option<&str>,
) {
    let Some(organization) = remote else { return };
    if address::is_loopback(public_url) {
        let what = format!(
            "public_url leads to this machine only: the Azure DevOps of {organization:?} cannot \
             reach it"
        );
        let help = "write the https address by which other machines reach this gateway";
        reader.refuse(offset, what, help);
    }
}

/// Every `[[api_token]]`.
pub(super) fn api_tokens(sections: Vec<Section<'_>>) -> Vec<ApiToken> {
    let mut names: Vec<(String, usize)> = Vec::new();
    let mut tokens: Vec<(Secret, usize)> = Vec::new();
    let mut read = Vec::new();
    for mut section in sections {
        let name = section.required("name", "\"ops\"");
        let name = name.and_then(|value| unique_name(&value, &mut names));
        let role = section.required("role", "\"operator\"").and_then(|value| value.word(&ROLES));
        let token = section.required("token", "{ env = \"AZDO_GATEWAY_OPERATOR_TOKEN\" }");
        let token = token.and_then(|value| unique_token(&value, &mut tokens));
        let labels = section.value("labels", "[\"linux\"]");
        if let Some(value) = labels.filter(|_| role.is_some_and(|role| role != Role::Runner)) {
            value.warn("only runners have labels", "leave labels out");
        }
        let labels = labels.map_or(Some(None), |value| read_labels(&value).map(Some));
        section.finish();
        if let (Some(name), Some(role), Some(token), Some(labels)) = (name, role, token, labels) {
            read.push(ApiToken { name, role, token, labels, via: Via::ApiToken });
        }
    }
    read
}

const ROLES: [(&str, Role); 4] = [
    ("operator", Role::Operator),
    ("reporter", Role::Reporter),
    ("runner", Role::Runner),
    ("viewer", Role::Viewer),
];

fn unique_name(value: &Value<'_>, names: &mut Vec<(String, usize)>) -> Option<String> {
    let name = value.text_of(1, 100)?;
    let line = value.reader.line(value.offset);
    if let Some((_, first)) = names.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
        let what = format!("name {name:?} is also the name of the token in line {first}");
        value.refuse(what, "give each token its own name");
        return None;
    }
    names.push((name.to_owned(), line));
    Some(name.to_owned())
}

fn unique_token(value: &Value<'_>, tokens: &mut Vec<(Secret, usize)>) -> Option<Secret> {
    let keygen = " to what `azdo-gateway keygen` prints";
    let secrets::Loaded { secret, source, .. } = secrets::load(value, keygen)?;
    let error = if secret.expose().chars().count() < 16 {
        Some("has fewer than 16 characters")
    } else if !secret.expose().chars().all(|letter| letter.is_ascii_graphic()) {
        Some("has characters that a bearer token cannot have")
    } else {
        None
    };
    if let Some(error) = error {
        value.refuse(format!("token: {source} {error}"), format!("set it{keygen}"));
        return None;
    }
    let same = tokens.iter().find(|(other, _)| other.is(secret.expose()).into());
    if let Some((_, line)) = same {
        let what = format!("token: {source} has the same value as the token in line {line}");
        value.refuse(what, "give each token its own value, so that each can be revoked alone");
        return None;
    }
    tokens.push((secret.clone(), value.reader.line(value.offset)));
    Some(secret)
}
