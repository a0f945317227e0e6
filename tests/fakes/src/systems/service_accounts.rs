//! Service accounts as the API of Kubernetes knows them: by tokens that are replaced from time to
//! time. Names of objects are those of Kubernetes, too.

use crate::http::Request;
use crate::random::Random;

const BASE64URL: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
/// What every token begins with.
const TOKEN_HEADER: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImNpIn0";

/// What a service account may do in the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Edit,
    View,
}

/// The tokens that are valid now.
#[derive(Debug, Clone)]
pub(super) struct ServiceAccounts {
    tokens: Vec<(String, Access)>,
    random: Random,
}

impl ServiceAccounts {
    /// One account that may create and change, and one that may only look.
    pub(super) fn new(random: Random) -> Self {
        let mut accounts = Self { tokens: Vec::new(), random };
        accounts.issue(Access::Edit);
        accounts.issue(Access::View);
        accounts
    }

    /// One more token, beside those that there are.
    pub(super) fn issue(&mut self, access: Access) -> String {
        let (claims, signature) =
            (self.random.text(BASE64URL, 60), self.random.text(BASE64URL, 86));
        let token = format!("{TOKEN_HEADER}.{claims}.{signature}");
        self.tokens.push((token.clone(), access));
        token
    }

    /// The oldest token of an account.
    pub(super) fn token(&self, access: Access) -> &str {
        let mut tokens = self.tokens.iter();
        tokens.find(|(_, known)| *known == access).map_or("", |(token, _)| token)
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.retain(|(known, _)| known != token);
    }

    /// What the bearer of the token in a request may do; none for an unknown one.
    pub(super) fn access_of(&self, request: &Request) -> Option<Access> {
        let (scheme, token) = request.header("authorization")?.split_once(' ')?;
        let known = self.tokens.iter().find(|(known, _)| known == token)?;
        scheme.eq_ignore_ascii_case("bearer").then_some(known.1)
    }
}

/// Whether Kubernetes takes this as the name of an object (RFC 1123, a subdomain).
pub(super) fn is_name(name: &str) -> bool {
    let is_end = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|label| {
            label.starts_with(is_end)
                && label.ends_with(is_end)
                && label.chars().all(|letter| is_end(letter) || letter == '-')
        })
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_lower_case_with_hyphens_and_dots() {
        for (name, is_valid) in
            [("a", true), ("0199-a.b", true), ("A", false), ("a_b", false), ("-a", false)]
        {
            assert_eq!(is_name(name), is_valid, "{name}");
        }
        assert!(!is_name("") && !is_name("a.") && !is_name(&"a".repeat(254)));
    }
}
