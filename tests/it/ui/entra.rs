//! Signing in with Entra: who gets which role, and every sign-in that is refused.

use azdo_gateway::secret::{Keyring, RootKey, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fakes::entra::{Consent, Forgery};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use super::{COOKIE, check_page, page, sign_in};
use crate::harness::{Browser, Env, Gateway, InProcess, OPERATOR, PageResponse, Settings};

pub(super) const JO: &str = "jo@fabrikam.example";
const GROUP: &str = "0a1b2c3d-0000-4000-8000-00000000aaaa";
/// The cookies of a sign-in under way, and of a refresh token.
const UNDER_WAY: &str = "azdo_gateway_sign_in";
const REFRESH: &str = "azdo_gateway_refresh";

/// A gateway at which the people of the tenant sign in. Jo is at the browser.
pub(super) async fn gateway(env: &Env, keys: &str) -> Gateway {
    let gateway = Gateway::start_with(env, |settings| settings.sign_in = env.sign_in(keys)).await;
    env.register_pages(&gateway.url);
    env.shell.entra(|entra| {
        entra.add_user("Jo Doe", JO);
        entra.sign_in(JO);
    });
    gateway
}

/// Goes from the page `/login` to Entra. Returns the address that Entra sends the browser back to.
async fn to_entra(browser: &Browser, gateway: &str, to: &str) -> Url {
    let query: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    let login = browser.open(&format!("{gateway}/login?to={query}"), None).await;
    check_page(&login, "/login");
    assert!(login.text.contains(">Sign in with Microsoft</a>"), "{}", login.text);
    assert!(!login.text.contains("<form"), "{}", login.text);
    let link = super::links(&login).into_iter().find(|it| it.starts_with("/login/entra?"));
    let begun = browser.open(&format!("{gateway}{}", link.expect("it has the link")), None).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let authorize = begun.location.expect("it leads to Entra");
    let parameters = ["state", "nonce", "code_challenge"];
    for name in parameters {
        assert!(authorize.query_pairs().any(|(it, value)| it == name && value.len() == 43));
    }
    let signed_in = browser.open(authorize.as_str(), None).await;
    assert_eq!(signed_in.status, StatusCode::FOUND, "{}", signed_in.text);
    signed_in.location.expect("it leads back")
}

/// Signs the person at Entra in.
pub(super) async fn enter(browser: &Browser, gateway: &Gateway, to: &str) -> PageResponse {
    let back = to_entra(browser, &gateway.url, to).await;
    browser.open(back.as_str(), None).await
}

/// A browser in which the person at Entra has signed in.
pub(super) async fn entered(gateway: &Gateway) -> Browser {
    let browser = Browser::new();
    let seen = enter(&browser, gateway, "/ui").await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    browser
}

async fn refusals(gateway: &Gateway) -> Vec<Value> {
    gateway.api.items("/v1/audit?action=sign_in_refused").await
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_person_signs_in_with_entra_and_out_again() {
    let env = Env::new(4201);
    let gateway = gateway(&env, &format!("operators = [\"{}\"]", JO.to_uppercase())).await;
    let browser = Browser::new();
    let seen = enter(&browser, &gateway, "/ui/runs?state=failed").await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let expected = format!("{}/ui/runs?state=failed", gateway.url);
    assert_eq!(seen.location.unwrap().as_str(), expected);
    let cookies: Vec<_> = seen.headers.get_all(header::SET_COOKIE).iter().collect();
    let cookies: Vec<_> = cookies.into_iter().map(|it| it.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 3, "{cookies:?}");
    for cookie in &cookies {
        assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
        assert!(cookie.len() < 4_096, "{cookie}");
    }
    assert!(cookies[2].starts_with("azdo_gateway_sign_in=; "), "{}", cookies[2]);
    assert!(cookies[2].contains("Max-Age=0"), "{}", cookies[2]);
    let shown = page(&browser, &gateway, "/ui/runs").await;
    assert!(shown.text.contains(&format!("<b>{JO}</b> operator")), "{}", shown.text);
    browser.submit(&format!("{}/logout", gateway.url), &[], "same-origin").await;
    let asked = browser.open(&format!("{}/ui/runs", gateway.url), None).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    for action in ["sign_in", "sign_out"] {
        let entries = gateway.api.items(&format!("/v1/audit?action={action}")).await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!((&entries[0]["actor"], &entries[0]["via"]), (&json!(JO), &json!("session")));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_entra_no_api_token_signs_anybody_in() {
    let env = Env::new(4202);
    let gateway = gateway(&env, "").await;
    let browser = Browser::new();
    let refused = sign_in(&browser, &gateway, OPERATOR).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    check_page(&refused, "/login");
    let later = "2999-01-01T00:00:00Z";
    browser.set_cookie(COOKIE, &super::sealed(&env.keys, "session", "ops", OPERATOR, later));
    let asked = browser.open(&format!("{}/ui", gateway.url), None).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "nor is a session of one good");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_entra_its_addresses_sign_nobody_in() {
    let env = Env::new(4203);
    let gateway = Gateway::start(&env).await;
    for path in ["/login/entra", "/complete/azure_active_directory?state=a&code=b"] {
        let shown = Browser::new().open(&format!("{}{path}", gateway.url), None).await;
        assert_eq!(shown.status, StatusCode::NOT_FOUND, "{path}");
        check_page(&shown, path);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_come_from_addresses_groups_and_app_roles() {
    let env = Env::new(4204);
    let group = format!("group:{GROUP}");
    let keys = format!("operators = [\"role:Operator\"]\nviewers = [\"{group}\"]");
    let gateway = gateway(&env, &keys).await;
    for (groups, app_roles, expected) in [
        (&[][..], &[][..], "developer"),
        (&[GROUP], &[], "viewer"),
        (&[], &["Operator"], "operator"),
        (&[GROUP], &["Operator", "Other"], "operator"),
        (&[], &["Other"], "developer"),
    ] {
        env.shell.entra(|entra| entra.set_roles(JO, groups, app_roles));
        let browser = entered(&gateway).await;
        let shown = browser.open(&format!("{}/ui/find", gateway.url), None).await;
        assert!(shown.text.contains(&format!("<b>{JO}</b> {expected}")), "{}", shown.text);
        let overview = browser.open(&format!("{}/ui", gateway.url), None).await.status;
        let expected_status =
            if expected == "developer" { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(overview, expected_status, "the overview for a {expected}");
    }
    // Of more than 200 groups Entra names none.
    let many: Vec<String> = (0..201).map(|number| format!("{number:08}-0000")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    env.shell.entra(|entra| entra.set_roles(JO, &many, &[]));
    let refused = enter(&Browser::new(), &gateway, "/ui").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("app roles"), "{}", refused.text);
    check_page(&refused, "/complete");
    env.shell.entra(|entra| entra.set_roles(JO, &many, &["Operator"]));
    page(&entered(&gateway).await, &gateway, "/ui").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_role_applies_to_sessions_that_exist() {
    let env = Env::new(4205);
    let first = gateway(&env, "").await;
    env.shell.entra(|entra| entra.set_roles(JO, &[GROUP], &[]));
    let browser = entered(&first).await;
    let status = async |url: &str| browser.open(&format!("{url}/ui"), None).await.status;
    assert_eq!(status(&first.url).await, StatusCode::NOT_FOUND, "a developer");
    for (keys, expected) in [
        (format!("viewers = [\"group:{GROUP}\"]"), StatusCode::OK),
        (format!("operators = [\"{JO}\"]"), StatusCode::OK),
        (String::new(), StatusCode::NOT_FOUND),
    ] {
        let other = InProcess::without_hooks(&env, |settings: &mut Settings| {
            settings.database = "other.db".into();
            settings.sign_in = env.sign_in(&keys);
        })
        .await;
        assert_eq!(status(&other.url).await, expected, "{keys}");
        other.stop().await;
    }
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_id_token_signs_nobody_in() {
    let env = Env::new(4206);
    let gateway = gateway(&env, &format!("operators = [\"{JO}\"]")).await;
    for forgery in Forgery::ALL {
        env.shell.entra(|entra| entra.forge_next_id_token(forgery));
        let browser = Browser::new();
        let refused = enter(&browser, &gateway, "/ui").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{forgery:?}: {}", refused.text);
        check_page(&refused, "/complete");
        let asked = browser.open(&format!("{}/ui", gateway.url), None).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{forgery:?}");
    }
    // The first five of a minute are recorded.
    let entries = refusals(&gateway).await;
    assert_eq!(entries.len(), 5, "{entries:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_sign_in_is_completed_once_in_the_browser_that_began_it() {
    let env = Env::new(4207);
    let gateway = gateway(&env, &format!("operators = [\"{JO}\"]")).await;
    let (browser, other) = (Browser::new(), Browser::new());
    let back = to_entra(&browser, &gateway.url, "/ui").await;
    to_entra(&other, &gateway.url, "/ui").await;
    let change = |name: &str, value: &str| {
        let mut url = back.clone();
        let pairs: Vec<_> = back.query_pairs().filter(|(it, _)| it != name).collect();
        url.query_pairs_mut().clear().extend_pairs(pairs).append_pair(name, value);
        url
    };
    let foreign = Keyring { current: RootKey::generate().unwrap(), previous: None };
    let sealed = |keys: &Keyring, context: &str, until: &str| {
        let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let content =
            json!({ "state": state, "nonce": "n", "verifier": "v", "to": "/ui", "until": until });
        let sealed = keys.seal(context, &Secret::new(content.to_string())).unwrap();
        URL_SAFE_NO_PAD.encode(sealed.0)
    };
    let with_cookie = |value: &str| {
        let browser = Browser::new();
        browser.set_cookie(UNDER_WAY, value);
        browser
    };
    let later = "2999-01-01T00:00:00Z";
    for (what, browser, url) in [
        ("without a cookie", &Browser::new(), back.clone()),
        ("in another browser", &other, back.clone()),
        ("with another state", &browser, change("state", "x")),
        ("of a foreign key", &with_cookie(&sealed(&foreign, "sign_in", later)), back.clone()),
        ("of another purpose", &with_cookie(&sealed(&env.keys, "session", later)), back.clone()),
        (
            "too late",
            &with_cookie(&sealed(&env.keys, "sign_in", "2020-01-01T00:00:00Z")),
            back.clone(),
        ),
        ("with another verifier", &with_cookie(&sealed(&env.keys, "sign_in", later)), back.clone()),
        ("no base64", &with_cookie("%%"), back.clone()),
    ] {
        // The first browser keeps its sign-in for the end.
        let cookie = browser.cookies();
        let refused = browser.open(url.as_str(), None).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{what}: {}", refused.text);
        check_page(&refused, what);
        if let Some(value) = cookie.first() {
            browser.set_cookie(UNDER_WAY, value);
        }
    }
    let cookie = browser.cookies()[0].clone();
    let seen = browser.open(back.as_str(), None).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let again = with_cookie(&cookie).open(back.as_str(), None).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "the code was redeemed: {}", again.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_redirect_addresses_do_not_mix() {
    let env = Env::new(4208);
    let keys = format!("operators = [\"{JO}\"]");
    let gateway = env.unlinked(|settings| settings.sign_in = env.sign_in(&keys)).await;
    env.register(&gateway.url);
    env.register_pages(&gateway.url);
    env.shell.entra(|entra| {
        entra.add_user("Jo Doe", JO);
        entra.sign_in(JO);
    });
    let browser = Browser::new();
    let link = format!("{}/connect/fabrikam", gateway.url);
    let of_link = browser.sign_in(&link, Some(OPERATOR)).await;
    let of_pages = to_entra(&browser, &gateway.url, "/ui").await;
    let names = ["azdo_gateway_link", UNDER_WAY];
    let values = browser.cookies();
    let (pages, linking) = (of_pages.path().to_owned(), of_link.path().to_owned());
    for (mut url, path) in [(of_link.clone(), &pages), (of_pages.clone(), &linking)] {
        url.set_path(path);
        // Each cookie under its own name, and under the name of the other.
        for (one, other) in [(0, 1), (1, 0)] {
            let browser = Browser::new();
            browser.set_cookie(names[0], &values[one]);
            browser.set_cookie(names[1], &values[other]);
            let refused = browser.open(url.as_str(), None).await;
            assert!(refused.status.is_client_error(), "{path}: {}", refused.text);
            let asked = browser.open(&format!("{}/ui", gateway.url), None).await;
            assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    let (_, answer) = gateway.api.post("/v1/organizations/fabrikam/link", None).await;
    assert_eq!(answer["linked"], Value::Null, "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_entra_refuses_is_said_on_a_page() {
    let env = Env::new(4209);
    let gateway = gateway(&env, "").await;
    for (consent, words) in
        [(Consent::Declined, "AADSTS65004"), (Consent::NeedsAdministrator, "AADSTS90094")]
    {
        env.shell.entra(|entra| entra.set_consent(JO, consent));
        let refused = enter(&Browser::new(), &gateway, "/ui/runs?state=failed").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.text.contains(words), "{}", refused.text);
        let again = "/login?to=%2Fui%2Fruns%3Fstate%3Dfailed\">Sign in</a>";
        assert!(refused.text.contains(again), "{}", refused.text);
        assert!(!refused.text.contains("service user"), "{}", refused.text);
        check_page(&refused, "/complete");
    }
    // What stands in the address bar is text.
    let browser = Browser::new();
    let back = to_entra(&browser, &gateway.url, "/ui").await;
    let mut url = back.clone();
    let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let pairs = [("error", "<script>"), ("error_description", "<b>x</b>"), ("state", &state)];
    url.query_pairs_mut().clear().extend_pairs(pairs);
    let refused = browser.open(url.as_str(), None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    check_page(&refused, "/complete");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_with_entra_returns_to_pages_only() {
    let env = Env::new(4210);
    let gateway = gateway(&env, &format!("operators = [\"{JO}\"]")).await;
    for (to, expected) in [
        ("/ui/runs?state=failed", "/ui/runs?state=failed"),
        ("https://evil.example/ui", "/ui"),
        ("//evil.example/ui", "/ui"),
        ("/ui/../v1/runs", "/ui"),
        ("javascript:alert(1)", "/ui"),
    ] {
        let seen = enter(&Browser::new(), &gateway, to).await;
        let expected = format!("{}{expected}", gateway.url);
        assert_eq!(seen.location.expect("it leads on").as_str(), expected, "{to}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_sign_in_is_readable_in_cookies_or_in_the_store() {
    let env = Env::new(4211);
    let gateway = gateway(&env, "").await;
    let browser = entered(&gateway).await;
    let secrets: Vec<String> = env
        .shell
        .entra(|entra| entra.issued_secrets().iter().map(|(_, secret)| secret.clone()).collect());
    assert!(secrets.len() > 5, "{secrets:?}");
    let cookies = browser.cookies().join(" ");
    let audit = gateway.api.items("/v1/audit").await;
    let shown = format!("{cookies} {audit:?}");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert!(!shown.contains(secret.as_str()), "{secret}");
    }
    let refresh = browser.cookie(REFRESH).expect("it has one");
    // It belongs to its session.
    let other = entered(&gateway).await;
    other.set_cookie(REFRESH, &refresh);
    gateway.stop().await;
}
