//! The words of a CI, made fit for a status: its own error text, in plain words, without secrets.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::StatusCode;
use serde_json::Value;

use crate::domain::text::cut;
use crate::secret::Secret;

/// Characters of the CI's words that go into a status.
const TEXT_CHARS_MAX: usize = 400;
/// Where the systems put the text of an error, the most telling first.
const POINTERS: [&str; 13] = [
    "/status/user_message",
    "/error/message",
    "/message/base/0",
    "/message",
    "/errors/0/additionalMessage",
    "/errors/0/message",
    "/errorMessages/0",
    "/detail/0/msg",
    "/detail",
    "/exception_message",
    "/error_description",
    "/error",
    "/title",
];
/// How the tokens of the systems begin: one that appears in a text is masked, whoever it belongs
/// to.
const TOKEN_PREFIXES: [&str; 12] = [
    "dbtc_",
    "dbtu_",
    "ghp_",
    "ghs_",
    "gho_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "glptt-",
    "glsa-",
    "bkua_",
    "eyJ",
];
const MASK: &str = "[secret]";

/// So many secrets that came later are masked, the newest ones.
const LATER_MAX: usize = 8;

/// Secrets that are masked in every text. Clones share those that come later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masks {
    configured: Arc<[Secret]>,
    later: Arc<Mutex<VecDeque<Secret>>>,
}

impl Masks {
    pub(crate) fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let configured = secrets.into_iter().filter(is_maskable).collect();
        Self { configured, later: Arc::default() }
    }

    /// Masks one more secret: what a login has answered, or a file has now.
    pub(crate) fn add(&self, secret: &Secret) {
        let mut later = self.later.lock();
        if is_maskable(secret) && !later.iter().any(|known| known.expose() == secret.expose()) {
            later.push_back(secret.clone());
            if later.len() > LATER_MAX {
                later.pop_front();
            }
        }
    }

    /// The text with every secret masked, by its value and by its shape.
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for secret in self.configured.iter().chain(self.later.lock().iter()) {
            masked = masked.replace(secret.expose(), MASK);
        }
        TOKEN_PREFIXES.iter().fold(masked, |text, prefix| mask_tokens(&text, prefix))
    }
}

/// What is shorter is in any text.
fn is_maskable(secret: &Secret) -> bool {
    secret.expose().len() > 3
}

/// Masks every word that begins like a token and goes on for long.
fn mask_tokens(text: &str, prefix: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(prefix) {
        let (before, from) = rest.split_at(at);
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        let end = from.find(|letter| !is_part(letter)).unwrap_or(from.len());
        let (token, after) = from.split_at(end);
        masked.push_str(before);
        masked.push_str(if token.len() >= prefix.len() + 8 { MASK } else { token });
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// The CI's words in a description: plain, and without secrets.
pub(crate) fn words(text: &str, masks: &Masks) -> String {
    plain(&masks.mask(text), TEXT_CHARS_MAX)
}

/// What an answer says is wrong: the CI's own words where they are words, with the status.
pub(crate) fn error_text(status: StatusCode, body: &[u8], masks: &Masks) -> String {
    error_text_at(status, body, &[], masks)
}

/// The same, with pointers that are looked at first.
pub(crate) fn error_text_at(
    status: StatusCode,
    body: &[u8],
    pointers: &[String],
    masks: &Masks,
) -> String {
    let json = serde_json::from_slice::<Value>(body).ok();
    let found = json.and_then(|body| text_at(&body, pointers));
    let words = found.or_else(|| {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        // Neither a page nor JSON without a text is for people.
        (!text.is_empty() && !text.contains(['<', '{', '['])).then(|| text.to_owned())
    });
    match words {
        Some(words) => {
            format!("{} ({})", self::words(&words, masks), status.as_u16())
        }
        None => format!("it answers {status}"),
    }
}

/// The text of an error in JSON, at these pointers or at those that are usual.
pub(crate) fn text_at(body: &Value, pointers: &[String]) -> Option<String> {
    let usual = POINTERS.iter().copied();
    let mut all = pointers.iter().map(String::as_str).chain(usual);
    all.find_map(|pointer| match body.pointer(pointer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        // Texts by field, as Buildbot sends them.
        Value::Object(fields) => {
            let texts: Vec<_> = fields
                .iter()
                .filter_map(|(name, text)| Some(format!("{name}: {}", text.as_str()?)))
                .collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        _ => None,
    })
}

/// Whether a text has this id as a word of its own, and not as a part of a longer one.
pub(crate) fn has_word(text: &str, id: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
    text.split(|letter: char| !is_part(letter)).any(|word| word == id)
}

/// A text without braces and markup, on one line, cut at so many characters.
pub(crate) fn plain(text: &str, chars_max: usize) -> String {
    let plain: String = text.chars().filter(|letter| !"{}<>".contains(*letter)).collect();
    cut(&plain, chars_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(status: u16, body: &str) -> String {
        let masks = Masks::new([Secret::new("hunter22".to_owned())]);
        error_text(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &masks)
    }

    #[test]
    fn errors_are_told_in_the_words_of_the_ci() {
        for (status, body, told) in [
            (
                422,
                r#"{"message":"Unexpected inputs provided: [\"x\"]"}"#,
                "Unexpected inputs provided: [\"x\"] (422)",
            ),
            (400, r#"{"message":{"base":["Reference not found"]}}"#, "Reference not found (400)"),
            (
                404,
                r#"{"status":{"code":404,"user_message":"no such job"},"data":null}"#,
                "no such job (404)",
            ),
            (
                400,
                r#"{"error":{"code":-32602,"message":{"run_id":"is required"}}}"#,
                "run_id: is required (400)",
            ),
            (403, "<html><body>Sign in</body></html>", "it answers 403 Forbidden"),
            (400, r#"{"data":[1]}"#, "it answers 400 Bad Request"),
            (503, "", "it answers 503 Service Unavailable"),
            (400, "no such job\nat all", "no such job at all (400)"),
        ] {
            assert_eq!(text(status, body), told);
        }
    }

    #[test]
    fn an_id_is_found_as_a_whole_word_only() {
        let id = "0199a3c1-3b5e-7000-8000-000000000001";
        for text in [id.to_owned(), format!("Check {id}"), format!("[{id}] (PR 7)")] {
            assert!(has_word(&text, id), "{text}");
        }
        for text in [format!("{id}2"), format!("{id}-2"), format!("x_{id}"), String::new()] {
            assert!(!has_word(&text, id), "{text}");
        }
    }

    #[test]
    fn no_secret_is_told() {
        let told = text(401, r#"{"message":"bad hunter22 and glpat-abcdefghijkl, ghp_x ok"}"#);
        assert_eq!(told, "bad [secret] and [secret], ghp_x ok (401)");
    }

    #[test]
    fn texts_are_plain() {
        assert_eq!(plain("a <b>bold</b>\n{x}", 400), "a bbold/b x");
        assert_eq!(plain("abcdef", 4), "abc…");
    }
}
