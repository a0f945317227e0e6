//! Pages over HTTP, as a browser without scripts gets them.

mod about;
mod actions;
mod developers;
mod entra;
mod figures;
mod hostile;
mod live;
mod pages;
mod revoking;
mod sign_in;
mod subjects;

use azdo_gateway::secret::{Keyring, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Browser, Gateway, PageResponse, on_postgres};

/// The cookie of a session.
const COOKIE: &str = "azdo_gateway_session";

/// Both replicas read the session, and their pages are the same.
#[test]
fn every_link_of_every_page_leads_to_a_page_on_postgres() {
    on_postgres(pages::every_link_of_every_page_leads_to_a_page);
}

#[test]
fn a_sign_out_ends_copies_of_the_cookie_at_every_replica_on_postgres() {
    on_postgres(sign_in::a_sign_out_ends_copies_of_the_cookie_at_every_replica);
}

#[test]
fn a_run_is_run_again_once_however_often_the_form_is_sent_on_postgres() {
    on_postgres(actions::a_run_is_run_again_once_however_often_the_form_is_sent);
}

#[test]
fn a_delivery_is_replayed_once_after_it_was_explained_on_postgres() {
    on_postgres(actions::a_delivery_is_replayed_once_after_it_was_explained);
}

#[test]
fn a_pull_request_shows_its_checks_what_happened_and_whose_time_it_was_on_postgres() {
    on_postgres(subjects::a_pull_request_shows_its_checks_what_happened_and_whose_time_it_was);
}

#[test]
fn pull_requests_are_listed_with_their_checks_page_by_page_on_postgres() {
    on_postgres(subjects::pull_requests_are_listed_with_their_checks_page_by_page);
}

#[test]
fn open_pages_learn_what_has_changed_at_whichever_replica_on_postgres() {
    on_postgres(live::open_pages_learn_what_has_changed_at_whichever_replica);
}

#[test]
fn an_open_page_is_told_of_what_it_is_about_and_of_nothing_else_on_postgres() {
    on_postgres(about::an_open_page_is_told_of_what_it_is_about_and_of_nothing_else);
}

#[test]
fn revoked_sessions_end_at_every_replica_on_postgres() {
    on_postgres(revoking::revoked_sessions_end_at_every_replica);
}

#[test]
fn a_person_signs_in_with_entra_and_out_again_on_postgres() {
    on_postgres(entra::a_person_signs_in_with_entra_and_out_again);
}

#[test]
fn a_sign_in_is_completed_once_in_the_browser_that_began_it_on_postgres() {
    on_postgres(entra::a_sign_in_is_completed_once_in_the_browser_that_began_it);
}

/// A browser in which whoever has this token has signed in.
async fn signed_in(gateway: &Gateway, token: &str) -> Browser {
    let browser = Browser::new();
    let seen = sign_in(&browser, gateway, token).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    browser
}

/// Sends the form of `/login`.
async fn sign_in(browser: &Browser, gateway: &Gateway, token: &str) -> PageResponse {
    let url = format!("{}/login", gateway.url);
    browser.submit(&url, &[("token", token), ("to", "/ui/runs")], "same-origin").await
}

/// A page that has to be there.
async fn page(browser: &Browser, gateway: &Gateway, path: &str) -> PageResponse {
    let shown = browser.open(&format!("{}{path}", gateway.url), None).await;
    assert_eq!(shown.status, StatusCode::OK, "{path}: {}", shown.text);
    check_page(&shown, path);
    shown
}

/// What holds for every page, whatever it shows.
fn check_page(shown: &PageResponse, path: &str) {
    let header = |name: &str| {
        let value = shown.headers.get(name).unwrap_or_else(|| panic!("{path} has no {name}"));
        value.to_str().expect("it is text").to_owned()
    };
    let policy = header("content-security-policy");
    assert_eq!(
        policy,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src \
         'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    assert_eq!(header("cache-control"), "no-store", "{path}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    if header("content-type").starts_with("text/html") {
        // A script is a file of the gateway; none stands in a page.
        let scripts = shown.text.matches("<script").count();
        assert_eq!(
            scripts,
            shown.text.matches("<script defer src=\"/ui/assets/").count(),
            "{path}"
        );
        assert_eq!(scripts, shown.text.matches("\"></script>").count(), "{path}");
        for inline in ["<style", " style=", " onclick=", "javascript:\""] {
            assert!(!shown.text.contains(inline), "{path} has {inline}: {}", shown.text);
        }
        assert!(shown.text.trim_end().ends_with("</html>"), "{path} is whole: {}", shown.text);
        about::check_parts(shown, path);
    }
}

/// The addresses that a page leads to, without those of other sites.
fn links(shown: &PageResponse) -> Vec<String> {
    let hrefs = shown.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let own = hrefs.filter(|href| href.starts_with('/'));
    own.map(|href| href.replace("&#38;", "&")).collect()
}

/// The value of a session's cookie, as the gateway with these keys seals it.
fn sealed(keys: &Keyring, context: &str, name: &str, token: &str, until: &str) -> String {
    let fingerprint = Secret::new(token.to_owned()).fingerprint();
    let who = json!({ "via": "api_token", "name": name, "fingerprint": fingerprint });
    let content =
        json!({ "id": "one", "begun": "2020-01-01T00:00:00Z", "until": until, "who": who })
            .to_string();
    let sealed = keys.seal(context, &Secret::new(content)).expect("there is randomness");
    URL_SAFE_NO_PAD.encode(sealed.0)
}
