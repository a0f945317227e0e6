//! What Jenkins' refusals say: they are pages, whose headings and paragraphs are the words.

use crate::ci::client::{Answer, Client};
use crate::ci::error::Error;
use crate::ci::text::words;

/// Without this header Jenkins did not answer, but something in front of it.
const SIGN: &str = "x-jenkins";

/// What an answer other than a success with data means.
pub(super) fn failure(client: &Client, answer: &Answer) -> Error {
    let status = answer.status.as_u16();
    let error = client.failure(answer);
    if !is_of_jenkins(answer) && !(300..=399).contains(&status) {
        let reason = format!("a proxy or a sign-in page answers in place of Jenkins ({status})");
        return with_reason(error, reason).of_all();
    }
    let page = String::from_utf8_lossy(&answer.body);
    let Some(said) = words_of_page(&page) else { return error };
    let said = words(&said, &client.masks);
    let why = match status {
        404 => ": there is no such job or build, or the user may not see it",
        409 => ": the job is disabled",
        _ => "",
    };
    with_reason(error, format!("{said} ({status}){why}"))
}

/// Whether Jenkins itself answered.
pub(super) fn is_of_jenkins(answer: &Answer) -> bool {
    answer.header(SIGN).is_some()
}

fn with_reason(error: Error, reason: String) -> Error {
    match error {
        Error::Unavailable { retry_after, .. } => Error::Unavailable { reason, retry_after },
        Error::Ambiguous { retry_after, .. } => Error::Ambiguous { reason, retry_after },
        Error::Refused { refusal, .. } => Error::Refused { reason, refusal },
        other => other,
    }
}

/// The texts of headings and paragraphs, in their order.
fn words_of_page(page: &str) -> Option<String> {
    let mut texts = Vec::new();
    let mut rest = page;
    while let Some((_, from)) = rest.split_once('<') {
        let name_end = from.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(0);
        let (name, after) = from.split_at(name_end);
        rest = from;
        if !["h1", "h2", "p"].contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let Some((_, content)) = after.split_once('>') else { break };
        let end = content.find(&format!("</{name}")).unwrap_or(content.len());
        let (inner, after) = content.split_at(end);
        texts.push(text_of(inner));
        rest = after;
    }
    let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

/// The text without tags, on one line.
fn text_of(inner: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for letter in inner.chars() {
        match letter {
            '<' => is_tag = true,
            '>' if is_tag => {
                is_tag = false;
                text.push(' ');
            }
            letter if !is_tag => text.push(letter),
            _ => {}
        }
    }
    let known = [("&#039;", "'"), ("&#39;", "'"), ("&quot;", "\""), ("&nbsp;", " ")];
    let text = known.iter().fold(text, |text, (entity, letter)| text.replace(entity, letter));
    let text = text.replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_by_their_headings() {
        for (page, told) in [
            (
                "<html><head><title>x</title></head><body><h1>Access Denied</h1><p class=\"e\">\
                 gateway is missing the <b>Job/Build</b>\npermission</p></body></html>",
                Some("Access Denied: gateway is missing the Job/Build permission"),
            ),
            (
                "<h2>HTTP ERROR 409 web is not buildable</h2><table><tr><td>x</td></tr></table>",
                Some("HTTP ERROR 409 web is not buildable"),
            ),
            ("<P>it&#039;s &quot;x&quot;</P>", Some("it's \"x\"")),
            ("<html><body>Sign in</body></html>", None),
            ("<h1", None),
            ("<h1>open", Some("open")),
            ("<p></p><pre>x</pre>", None),
            ("", None),
        ] {
            assert_eq!(words_of_page(page).as_deref(), told, "{page}");
        }
    }
}
