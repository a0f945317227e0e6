//! Pages of HTML: the frame that all have, the answer that carries one, and the page that only says
//! something.
//!
//! Templates escape all text. The policy lets a page load only what this gateway serves, and run no
//! script that stands in it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use askama::Template;
use url::Url;

use super::{Role, assets, cookie};
use crate::printable::printable_lines;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Holds whether pages are light or dark.
pub(super) const THEME_COOKIE: &str = "azdo_gateway_theme";
/// What a person can choose; the first one where nothing is chosen.
pub(super) const THEMES: [&str; 3] = ["system", "light", "dark"];

/// What people can go to from every page: the path below `/ui`, and the word for it.
const AREAS: [(&str, &str); 10] = [
    ("", "Overview"),
    ("/pull-requests", "Pull requests"),
    ("/deliveries", "Deliveries"),
    ("/runs", "Runs"),
    ("/statuses", "Statuses"),
    ("/subscriptions", "Subscriptions"),
    ("/connections", "Connections"),
    ("/permissions", "Permissions"),
    ("/ci", "CI systems"),
    ("/audit", "Audit"),
];
const FIND: (&str, &str) = ("/find", "Find");
/// So many of them fit into the bar of a phone; the others are in its menu.
const AREAS_IN_BAR: usize = 4;

/// What is around the content of a page.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) title: String,
    /// The path of the gateway's address, without a slash at its end.
    pub(super) base: String,
    /// Who looks at it; none where nobody has signed in.
    pub(super) account: Option<Account>,
    pub(super) twins: Twins,
    /// The path and query of the page, to return to it; empty where that is not wanted.
    pub(super) here: String,
    /// `light`, `dark`, or anything else for what the system has.
    pub(super) theme: &'static str,
    /// What the page is told of while it is open, as `about` of `/ui/live`.
    pub(super) about: String,
}

/// Who looks at a page, and at what.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) organizations: Vec<String>,
    /// The area that the page is in, as `AREAS` has it.
    pub(super) area: &'static str,
    /// What was looked for last.
    pub(super) find: String,
}

/// Where programs get what a page shows.
#[derive(Debug, Default)]
pub(super) struct Twins {
    /// The path and query in the API.
    pub(super) api: Option<String>,
    pub(super) command: Option<String>,
}

/// One of the areas.
#[derive(Debug)]
pub(super) struct Area {
    pub(super) href: String,
    pub(super) word: &'static str,
    /// The key that leads there, after `g`; empty where there is none.
    pub(super) key: &'static str,
    pub(super) is_current: bool,
}

impl Frame {
    /// Of a page that needs nobody to have signed in.
    pub(super) fn bare(public_url: &Url, headers: &HeaderMap, title: impl Into<String>) -> Self {
        let (title, base, theme) = (title.into(), base(public_url), theme(headers));
        Self { title, base, theme, ..Self::default() }
    }

    /// The same page, which is told of changes about this.
    pub(super) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    pub(super) fn asset(&self, name: &str) -> String {
        format!("{}{}", self.base, assets::path(name))
    }

    /// The theme that is chosen, where it is not that of the system.
    pub(super) fn chosen_theme(&self) -> Option<&'static str> {
        ["light", "dark"].into_iter().find(|theme| *theme == self.theme)
    }

    /// The theme that the button leads to.
    pub(super) fn next_theme(&self) -> &'static str {
        match self.theme {
            "light" => "dark",
            "dark" => "system",
            _ => "light",
        }
    }

    /// The page that everything begins with.
    pub(super) fn home(&self) -> String {
        let path = if self.is_for_developers() { FIND.0 } else { "" };
        format!("{}/ui{path}", self.base)
    }

    /// Developers have Find, and the pages that it leads to.
    fn is_for_developers(&self) -> bool {
        let role = self.account.as_ref().map(|account| account.role);
        role == Some(Role::Developer.as_str())
    }

    pub(super) fn areas(&self, current: &str) -> Vec<Area> {
        let area = |(path, word): (&'static str, &'static str)| Area {
            href: format!("{}/ui{path}", self.base),
            word,
            key: key(path),
            is_current: path == current,
        };
        if self.is_for_developers() { vec![area(FIND)] } else { AREAS.map(area).into() }
    }

    pub(super) fn areas_in_bar(&self, current: &str) -> Vec<Area> {
        self.areas(current).into_iter().take(AREAS_IN_BAR).collect()
    }

    pub(super) fn areas_in_menu(&self, current: &str) -> Vec<Area> {
        self.areas(current).into_iter().skip(AREAS_IN_BAR).collect()
    }
}

fn key(area: &str) -> &'static str {
    match area {
        "" => "o",
        "/deliveries" => "d",
        "/runs" => "r",
        "/pull-requests" => "p",
        "/statuses" => "s",
        _ => "",
    }
}

/// The theme that the browser of a request has chosen.
pub(super) fn theme(headers: &HeaderMap) -> &'static str {
    let chosen = cookie::read(headers, THEME_COOKIE);
    let is_chosen = |theme: &&str| chosen.as_ref().is_some_and(|it| it.expose() == *theme);
    THEMES.into_iter().find(is_chosen).unwrap_or("system")
}

/// The path of the gateway's address, without a slash at its end.
pub(super) fn base(public_url: &Url) -> String {
    public_url.path().trim_end_matches('/').to_owned()
}

/// The answer with a page. No cache keeps it, and no other page may embed it.
pub(super) fn answer(status: StatusCode, page: &impl Template) -> HttpResponse {
    // Rendering only fails where writing fails.
    let html = page.render().unwrap_or_default();
    // Characters that are obeyed instead of shown are never part of a template.
    let html = printable_lines(&html).into_owned();
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"));
    protect(response).body(html)
}

/// The answer with a part of a page.
pub(super) fn fragment(html: &str) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"));
    protect(response).body(printable_lines(html).into_owned())
}

/// Adds the headers of every page.
pub(super) fn protect(
    mut response: actix_web::HttpResponseBuilder,
) -> actix_web::HttpResponseBuilder {
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

/// A page that only says something.
#[derive(Debug, Template)]
#[template(path = "message.html")]
pub(super) struct Message {
    pub(super) frame: Frame,
    /// Whether something has succeeded; none where nothing was to be done.
    pub(super) went_well: Option<bool>,
    /// Text between backticks is shown as code.
    pub(super) paragraphs: Vec<String>,
    /// One way on: its address below the gateway's, and the words.
    pub(super) link: Option<(String, &'static str)>,
}

impl Message {
    fn sentences(&self) -> Vec<Vec<Piece>> {
        self.paragraphs.iter().map(|text| pieces(text)).collect()
    }

    /// The answer with it.
    pub(super) fn answer(self, status: StatusCode) -> HttpResponse {
        answer(status, &self)
    }
}

/// A piece of a paragraph.
struct Piece {
    text: String,
    is_code: bool,
}

/// The text as a sentence, from a capital to a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    first.chain(letters).chain(end.chars()).collect()
}

fn pieces(text: &str) -> Vec<Piece> {
    let piece =
        |(number, text): (usize, &str)| Piece { text: text.to_owned(), is_code: number % 2 == 1 };
    sentence(text).split('`').enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let frame = Frame { title: "A title".into(), ..Frame::default() };
        let paragraphs = vec![text.to_owned()];
        Message { frame, went_well: Some(true), paragraphs, link: None }.render().unwrap()
    }

    #[test]
    fn a_paragraph_is_a_sentence_with_code() {
        let shown = message("run `a b` & wait");
        assert!(shown.contains("<p>Run <code>a b</code> &#38; wait.</p>"), "{shown}");
    }

    #[test]
    fn text_is_escaped() {
        let shown = message("<b onclick='x'>&\"");
        assert!(shown.contains("&#60;b onclick=&#39;x&#39;&#62;&#38;&#34;"), "{shown}");
    }
}
