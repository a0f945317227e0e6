//! A page of HTML with a title and paragraphs. All text is escaped, and the policy lets the page
//! neither load anything nor run a script.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

/// The text of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) paragraphs: &'a [&'a str],
}

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'none'";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:12vh auto;\
    padding:0 1.5rem;color:#1b1f24;background:#fff;overflow-wrap:anywhere}\
    h1{font-size:1.5rem;line-height:1.25}p{margin:.75rem 0}code{white-space:nowrap}\
    .mark{display:inline-block;width:.75rem;height:.75rem;border-radius:50%;margin-right:.6rem}\
    .good{background:#1a7f37}.bad{background:#cf222e}small{color:#57606a}\
    @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}small{color:#8b949e}}";

/// The answer with the page. No cache keeps it and no other page may embed it.
pub(super) fn page(status: StatusCode, page: &Page<'_>) -> HttpResponse {
    let title = escaped(page.title);
    let mark = if status.is_success() { "good" } else { "bad" };
    let paragraphs: String = page.paragraphs.iter().map(|text| paragraph(text)).collect();
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title} · azdo-gateway</title><style>{STYLE}</style></head><body><main>\
         <h1><span class=\"mark {mark}\"></span>{title}</h1>{paragraphs}\
         <small>azdo-gateway</small></main></body></html>\n"
    );
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body)
}

/// A paragraph from a capital to a full stop. Text between backticks is shown as code.
fn paragraph(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let sentence: String = first.chain(letters).collect();
    let end = if sentence.ends_with(['.', '?', '!']) { "" } else { "." };
    let words = escaped(&sentence);
    let parts = words.split('`').enumerate().map(|(number, part)| match number % 2 {
        0 => part.to_owned(),
        _ => format!("<code>{part}</code>"),
    });
    format!("<p>{}{end}</p>", parts.collect::<String>())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_a_sentence_with_code() {
        assert_eq!(paragraph("run `a b` & wait"), "<p>Run <code>a b</code> &amp; wait.</p>");
    }

    #[test]
    fn escapes_html() {
        assert_eq!(escaped("<b onclick='x'>&\""), "&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;");
    }
}
