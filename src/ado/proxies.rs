//! The proxies of the environment, for outgoing calls: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
//! `NO_PROXY`, or the same in lower case.
//!
//! Loopback and link-local addresses are always called directly. A proxy cannot reach them on this
//! machine, and would see secrets such as the token that a metadata service answers.

use reqwest::{ClientBuilder, NoProxy, Proxy};

/// Loopback and link-local, with the names that mean loopback.
const LOCAL: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10";

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The value is not shown, since it may contain a password.
    #[error("{0} is not the address of a proxy, such as http://proxy.example.com:3128")]
    Proxy(&'static str),
    #[error("TLS cannot be set up on this machine: {0}")]
    Tls(#[from] reqwest::Error),
}

/// What builds a proxy from its address.
type Parse = fn(String) -> reqwest::Result<Proxy>;

/// Each pair of variables, and the calls that it is for. The first that applies is used.
const PROXIES: [([&str; 2], Parse); 3] = [
    (["HTTPS_PROXY", "https_proxy"], Proxy::https::<String>),
    (["HTTP_PROXY", "http_proxy"], Proxy::http::<String>),
    (["ALL_PROXY", "all_proxy"], Proxy::all::<String>),
];

/// Makes the client use the proxies of the environment, but not for local addresses.
///
/// # Errors
/// A variable is not the address of a proxy.
pub fn use_proxies(builder: ClientBuilder) -> Result<ClientBuilder, SetupError> {
    use_proxies_of(builder, |name| std::env::var(name).ok())
}

fn use_proxies_of(
    builder: ClientBuilder,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<ClientBuilder, SetupError> {
    let set = |names: [&'static str; 2]| {
        let found = names.into_iter().find_map(|name| Some((name, variable(name)?)));
        found.filter(|(_, value)| !value.trim().is_empty())
    };
    let others = set(["NO_PROXY", "no_proxy"]).map(|(_, value)| value).unwrap_or_default();
    let direct = NoProxy::from_string(&format!("{LOCAL},{others}"));
    // The client would read the variables by itself, without the exception for local addresses.
    let mut builder = builder.no_proxy();
    for (names, parse) in PROXIES {
        if let Some((name, address)) = set(names) {
            let proxy = parse(address).map_err(|_| SetupError::Proxy(name))?;
            builder = builder.proxy(proxy.no_proxy(direct.clone()));
        }
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_refused_by_the_name_of_its_variable() {
        let variable =
            |name: &str| (name == "HTTPS_PROXY").then(|| "http://us er:hidden@:x".to_owned());
        let error = use_proxies_of(reqwest::Client::builder(), variable).unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("hidden"), "{error}");
        assert!(use_proxies_of(reqwest::Client::builder(), |_| Some(" ".to_owned())).is_ok());
    }
}
