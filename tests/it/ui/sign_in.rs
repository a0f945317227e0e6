//! Signing in and out: who may, for how long, from where.

use azdo_gateway::secret::{Keyring, RootKey};
use reqwest::{StatusCode, header};

use super::{COOKIE, check_page, page, sealed, sign_in, signed_in};
use crate::harness::{
    Api, Binary, Browser, Env, Gateway, InProcess, OPERATOR, POLL_INTERVAL, REPORTER, RUNNER,
    VIEWER, WAIT_MAX,
};

const LATER: &str = "2999-01-01T00:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_signs_in_with_a_token_and_out_again() {
    let env = Env::new(4101);
    let gateway = Gateway::start(&env).await;
    let browser = Browser::new();
    let runs = format!("{}/ui/runs?state=failed", gateway.url);
    let asked = browser.open(&runs, None).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(asked.text.contains("Sign in to see this"), "{}", asked.text);
    assert!(asked.text.contains("href=\"/login?to=%2Fui%2Fruns%3Fstate%3Dfailed\""));
    check_page(&asked, "/ui/runs");
    let form = browser.open(&format!("{}/login?to=%2Fui%2Fruns", gateway.url), None).await;
    assert!(form.text.contains("name=\"to\" value=\"/ui/runs\""), "{}", form.text);
    check_page(&form, "/login");

    let seen = sign_in(&browser, &gateway, VIEWER).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    assert_eq!(seen.location.unwrap().path(), "/ui/runs");
    let cookie = seen.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    for part in ["; Path=/;", "; Max-Age=43200;", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let shown = page(&browser, &gateway, "/ui/runs").await;
    assert!(shown.text.contains("<b>eyes</b> viewer"), "{}", shown.text);

    // The same cookie elsewhere, before and after the sign-out.
    let copy = Browser::new();
    copy.set_cookie(COOKIE, &browser.cookies()[0]);
    page(&copy, &gateway, "/ui/runs").await;
    let out = browser.submit(&format!("{}/logout", gateway.url), &[], "same-origin").await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    for browser in [&browser, &copy] {
        let asked = browser.open(&format!("{}/ui/runs", gateway.url), None).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    }

    for (action, via) in [("sign_in", "api_token"), ("sign_out", "session")] {
        let entries = gateway.api.items(&format!("/v1/audit?action={action}")).await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0]["actor"], "eyes");
        assert_eq!(entries[0]["via"], via);
        assert_eq!(entries[0]["outcome"], "done");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_sign_out_ends_copies_of_the_cookie_at_every_replica() {
    let env = Env::new(4109);
    let gateway = Gateway::start(&env).await;
    let (browser, copy) = (signed_in(&gateway, VIEWER).await, Browser::new());
    copy.set_cookie(COOKIE, &browser.cookies()[0]);
    page(&copy, &gateway, "/ui/runs").await;
    browser.submit(&format!("{}/logout", gateway.url), &[], "same-origin").await;
    // The replicas answer in turns: each has to refuse it.
    let refused = async {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        let mut in_a_row = 0;
        while in_a_row < 2 * gateway.each().len() {
            interval.tick().await;
            let asked = copy.open(&format!("{}/ui/runs", gateway.url), None).await;
            let is_refused = asked.status == StatusCode::UNAUTHORIZED;
            in_a_row = if is_refused { in_a_row + 1 } else { 0 };
        }
    };
    tokio::time::timeout(WAIT_MAX, refused).await.expect("the copy is refused");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_bring_a_session_back_that_was_ended() {
    let env = Env::new(4110);
    let mut gateway = Binary::start(&env).await;
    let (login, logout) = (format!("{}/login", gateway.url), format!("{}/logout", gateway.url));
    let runs = format!("{}/ui/runs", gateway.url);
    let (browser, copy) = (Browser::new(), Browser::new());
    for _ in 0..2 {
        browser.submit(&login, &[("token", VIEWER)], "same-origin").await;
        copy.set_cookie(COOKIE, &browser.cookies()[0]);
    }
    browser.submit(&logout, &[], "same-origin").await;
    browser.submit(&login, &[("token", VIEWER)], "same-origin").await;
    gateway.kill();
    gateway.restart().await;
    assert_eq!(copy.open(&runs, None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.open(&runs, None).await.status, StatusCode::OK, "the other session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_roles_and_wrong_tokens_are_refused_five_times_a_minute() {
    let env = Env::new(4102);
    let gateway = Gateway::start(&env).await;
    let browser = Browser::new();
    for (token, reason) in [
        (REPORTER, "the role reporter"),
        (RUNNER, "the role runner"),
        ("a token that nobody has", "no such token"),
        ("", "no such token"),
        ("<script>alert(1)</script>", "no such token"),
    ] {
        let refused = sign_in(&browser, &gateway, token).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{token}");
        assert!(refused.text.contains(reason), "{}", refused.text);
        assert!(token.is_empty() || !refused.text.contains(token), "{}", refused.text);
        check_page(&refused, "/login");
    }
    for token in ["a token that nobody has", OPERATOR] {
        let refused = sign_in(&browser, &gateway, token).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    }
    assert!(browser.cookies().is_empty());
    let entries = gateway.api.items("/v1/audit?action=sign_in_refused").await;
    assert_eq!(entries.len(), 5, "{entries:?}");
    let reporters = entries.iter().filter(|entry| entry["actor"] == "builders").count();
    assert_eq!(reporters, 1, "{entries:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_session_that_this_gateway_began_and_that_lasts_is_one() {
    let env = Env::new(4103);
    let gateway = Gateway::start(&env).await;
    let foreign = Keyring { current: RootKey::generate().unwrap(), previous: None };
    let long_ago = "2020-01-01T00:00:00Z";
    let status = async |value: &str| {
        let browser = Browser::new();
        browser.set_cookie(COOKIE, value);
        browser.open(&format!("{}/ui", gateway.url), None).await.status
    };
    let good = sealed(&env.keys, "session", "ops", OPERATOR, LATER);
    assert_eq!(status(&good).await, StatusCode::OK);
    let changed = good.replacen(&good[60..64], "AAAA", 1);
    for (what, value) in [
        ("expired", sealed(&env.keys, "session", "ops", OPERATOR, long_ago)),
        ("of a foreign key", sealed(&foreign, "session", "ops", OPERATOR, LATER)),
        ("of another purpose", sealed(&env.keys, "link/fabrikam", "ops", OPERATOR, LATER)),
        ("of a token that was changed", sealed(&env.keys, "session", "ops", VIEWER, LATER)),
        ("of a token that is gone", sealed(&env.keys, "session", "left", OPERATOR, LATER)),
        ("of another role", sealed(&env.keys, "session", "builders", REPORTER, LATER)),
        ("altered", changed),
        ("the token itself", OPERATOR.to_owned()),
        ("empty", String::new()),
        ("no base64", "\u{1}%%".escape_default().to_string()),
    ] {
        assert_eq!(status(&value).await, StatusCode::UNAUTHORIZED, "a cookie that is {what}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_with_the_key_reads_a_session_until_its_token_is_changed() {
    let env = Env::new(4104);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    for (token, expected) in
        [(OPERATOR, StatusCode::OK), ("another-token-of-the-operators", StatusCode::UNAUTHORIZED)]
    {
        let other = InProcess::without_hooks(&env, |settings| {
            settings.database = format!("{token}.db").into();
            settings.environment.insert("OPERATOR_TOKEN".to_owned(), token.to_owned());
        })
        .await;
        let shown = browser.open(&format!("{}/ui", other.url), None).await;
        assert_eq!(shown.status, expected);
        other.stop().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_good_for_pages_and_not_for_the_api() {
    let env = Env::new(4105);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    for path in ["/v1/runs", "/v1/audit", "/metrics", "/v1/changes"] {
        let shown = browser.follow(&format!("{}{path}", gateway.url)).await;
        assert_eq!(shown.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let url = format!("{}/v1/organizations/fabrikam/catch-up", gateway.url);
    let shown = browser.submit(&url, &[], "same-origin").await;
    assert_eq!(shown.status, StatusCode::UNAUTHORIZED);
    // Nor is an API token good for pages.
    let answer = Api::new(&gateway.url, OPERATOR).open("/ui").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_sites_send_is_refused() {
    let env = Env::new(4106);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    let fields = [("token", VIEWER)];
    for path in ["/login", "/logout", "/ui/runs", "/ui/nothing"] {
        for site in ["cross-site", "same-site", "none", ""] {
            let shown = browser.submit(&format!("{}{path}", gateway.url), &fields, site).await;
            assert_eq!(shown.status, StatusCode::FORBIDDEN, "{path} from {site}");
            check_page(&shown, path);
        }
    }
    page(&browser, &gateway, "/ui").await;
    let url = format!("{}/ui/runs", gateway.url);
    let untaken = browser.submit(&url, &fields, "same-origin").await;
    assert_eq!(untaken.status, StatusCode::NOT_FOUND);
    check_page(&untaken, "/ui/runs");
    // Browsers that do not send Sec-Fetch-Site send the origin.
    let post = async |origin: Option<&str>| {
        let request = reqwest::Client::new().post(format!("{}/logout", gateway.url));
        let request = origin.into_iter().fold(request, |it, one| it.header("origin", one));
        request.send().await.unwrap().status()
    };
    assert_eq!(post(None).await, StatusCode::FORBIDDEN);
    assert_eq!(post(Some("null")).await, StatusCode::FORBIDDEN);
    assert_eq!(post(Some("https://evil.example")).await, StatusCode::FORBIDDEN);
    assert_ne!(post(Some(&gateway.url)).await, StatusCode::FORBIDDEN);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_returns_to_pages_only() {
    let env = Env::new(4107);
    let gateway = Gateway::start(&env).await;
    let url = format!("{}/login", gateway.url);
    for (to, expected) in [
        ("/ui/runs?state=failed", "/ui/runs?state=failed"),
        ("/ui", "/ui"),
        ("https://evil.example/ui", "/ui"),
        ("//evil.example/ui", "/ui"),
        ("/\\evil.example", "/ui"),
        ("/ui/../v1/runs", "/ui"),
        ("/ui/%2e%2e/v1/runs", "/ui"),
        ("/uix", "/ui"),
        ("javascript:alert(1)", "/ui"),
        ("/ui\r\nset-cookie: a=b", "/ui"),
        ("", "/ui"),
    ] {
        let fields = [("token", VIEWER), ("to", to)];
        let seen = Browser::new().submit(&url, &fields, "same-origin").await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
        let expected = format!("{}{expected}", gateway.url);
        assert_eq!(seen.location.unwrap().as_str(), expected, "{to}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anonymous_callers_learn_nothing() {
    let env = Env::new(4108);
    let gateway = Gateway::start(&env).await;
    let (_, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let mut answers = Vec::new();
    for path in [
        format!("/ui/runs/{run}"),
        "/ui/runs/01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        "/ui/nothing".to_owned(),
        format!("/ui/find?q={commit}"),
        "/ui/runs?unknown=filter".to_owned(),
    ] {
        let shown = Browser::new().open(&format!("{}{path}", gateway.url), None).await;
        let link: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        answers.push((shown.status, shown.text.replace(&link, "PATH")));
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_links_the_service_user_from_a_page_and_no_other_site_does() {
    let env = Env::new(4109);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    let connect = format!("{}/connect/fabrikam", gateway.url);
    let operator = signed_in(&gateway, OPERATOR).await;
    let shown = page(&operator, &gateway, "/ui/connections").await;
    assert!(shown.text.contains("href=\"/connect/fabrikam\""), "{}", shown.text);
    let elsewhere = operator.open(&connect, None).await;
    assert_eq!(elsewhere.status, StatusCode::UNAUTHORIZED);
    check_page(&elsewhere, "/connect/fabrikam");
    assert_eq!(operator.follow(&connect).await.status, StatusCode::FOUND);
    let viewer = signed_in(&gateway, VIEWER).await;
    assert_eq!(viewer.follow(&connect).await.status, StatusCode::UNAUTHORIZED);
    let shown = page(&viewer, &gateway, "/ui/connections").await;
    assert!(!shown.text.contains("/connect/"), "{}", shown.text);
    gateway.stop().await;
}
