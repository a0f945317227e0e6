//! `/ui/live`, parts of pages, and what browsers are told of how pages are sent.

use std::collections::BTreeSet;

use reqwest::{Method, Response, StatusCode};

use super::{check_page, page, signed_in};
use crate::harness::{Api, Binary, Browser, Env, EventStream, Gateway, VIEWER};

/// The answer to who wants to be told of what changes about this.
pub(super) async fn ask(browser: &Browser, gateway: &str, about: &str) -> Response {
    let about: String = url::form_urlencoded::byte_serialize(about.as_bytes()).collect();
    let url = format!("{gateway}/ui/live?about={about}");
    browser.ask(Method::GET, &url, "gzip").await
}

/// The stream about this; about everything where it is empty.
pub(super) async fn listen(browser: &Browser, gateway: &str, about: &str) -> EventStream {
    let response = ask(browser, gateway, about).await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert!(response.headers().get("content-encoding").is_none(), "it arrives at once");
    EventStream::begin(response, "event: beat\ndata: {").await
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn open_pages_learn_what_has_changed_at_whichever_replica() {
    let env = Env::new(4301);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let mut streams = Vec::new();
    // The load balancer gives each a replica in turn.
    for _ in 0..gateway.each().len() {
        streams.push(listen(&browser, &gateway.url, "").await);
    }
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let mut expected = BTreeSet::new();
    for (kind, path) in [("run", "/v1/runs"), ("delivery", "/v1/deliveries?outcome=started")] {
        let id = gateway.api.items(path).await[0]["id"].to_string().trim_matches('"').to_owned();
        expected.insert((kind.to_owned(), id));
    }
    for stream in &mut streams {
        stream.until_told(&expected).await;
        let lines = stream.text.lines().filter_map(|line| line.strip_prefix("id: "));
        let numbers: Vec<u64> = lines.map(|number| number.parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_for_those_who_have_signed_in_as_long_as_they_have() {
    let env = Env::new(4302);
    let gateway = Gateway::start(&env).await;
    let anonymous = Browser::new();
    for path in ["/ui/live", "/ui/runs?part=list", "/ui/theme"] {
        let asked = anonymous.open(&format!("{}{path}", gateway.url), None).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // A token of the API is not a session.
    let with_token = Api::new(&gateway.url, VIEWER).open("/ui/live").await;
    assert_eq!(with_token.status(), StatusCode::UNAUTHORIZED);

    let browser = signed_in(&gateway, VIEWER).await;
    let mut stream = listen(&browser, &gateway.url, "").await;
    browser.submit(&format!("{}/logout", gateway.url), &[], "same-origin").await;
    env.open("topic");
    stream.until_end().await;
    assert!(stream.changes().is_empty(), "and told of nothing: {}", stream.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_ends_its_streams_and_one_beyond_the_most_is_refused() {
    let env = Env::new(4303);
    let mut gateway = Binary::start(&env).await;
    let browser = Browser::new();
    let login = [("token", VIEWER), ("to", "/ui")];
    browser.submit(&format!("{}/login", gateway.url), &login, "same-origin").await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(listen(&browser, &gateway.url, "").await);
    }
    let refused = ask(&browser, &gateway.url, "beat").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(streams.split_off(1));
    gateway.terminate();
    streams[0].until_end().await;
    gateway.wait();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_page_is_what_the_page_has_there() {
    let env = Env::new(4304);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let browser = signed_in(&gateway, VIEWER).await;
    let run = gateway.api.items("/v1/runs").await[0]["id"].as_str().unwrap().to_owned();
    let started = gateway.api.items("/v1/deliveries?outcome=started").await[0]["id"].to_string();
    let (run_page, delivery_page) =
        (format!("/ui/runs/{run}"), format!("/ui/deliveries/{started}"));
    for (path, parts) in [
        ("/ui", &["problems", "late", "plots", "runs"][..]),
        ("/ui/runs", &["list"]),
        ("/ui/deliveries?outcome=started", &["list"]),
        ("/ui/statuses", &["list"]),
        ("/ui/audit", &["list"]),
        (&run_page, &["head", "life", "statuses"]),
        (&delivery_page, &["decision"]),
        ("/ui/subscriptions", &["reconciles", "matrix"]),
        ("/ui/connections", &["cards"]),
        ("/ui/ci", &["cards"]),
    ] {
        let and = if path.contains('?') { '&' } else { '?' };
        let whole = page(&browser, &gateway, path).await;
        for part in parts {
            assert!(whole.text.contains(&format!("data-part=\"{part}\"")), "{path} {part}");
            let url = format!("{}{path}{and}part={part}", gateway.url);
            let shown = browser.open(&url, None).await;
            assert_eq!(shown.status, StatusCode::OK, "{url}: {}", shown.text);
            for frame in ["<html", "<main", "<nav", "data-part"] {
                assert!(!shown.text.contains(frame), "{url} has {frame}: {}", shown.text);
            }
            assert!(shown.text.contains('<'), "{url} is empty");
        }
        let unknown = browser.open(&format!("{}{path}{and}part=whole", gateway.url), None).await;
        assert_eq!(unknown.status, StatusCode::BAD_REQUEST, "{path}");
        check_page(&unknown, path);
        assert!(unknown.text.contains(parts[0]), "{}", unknown.text);
    }
    // The API has no parts.
    let (status, _) = gateway.api.call(Method::GET, "/v1/runs?part=list", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_compressed_for_browsers_that_say_so_and_have_a_head() {
    let env = Env::new(4305);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, "/ui").await;
    let script = shown.text.split("<script defer src=\"").nth(1).expect("it has a script");
    let script = script.split('"').next().expect("it has an end").to_owned();
    for path in ["/ui", "/ui/runs", &script] {
        let url = format!("{}{path}", gateway.url);
        let plain = browser.ask(Method::GET, &url, "identity").await;
        assert!(plain.headers().get("content-encoding").is_none(), "{path}");
        let packed = browser.ask(Method::GET, &url, "gzip").await;
        assert_eq!(packed.headers()["content-encoding"], "gzip", "{path}");
        assert!(packed.headers()["vary"].to_str().unwrap().contains("ccept-"), "{path}");
        let (plain, packed) = (plain.bytes().await.unwrap(), packed.bytes().await.unwrap());
        assert!(packed.starts_with(&[0x1f, 0x8b]), "{path}");
        assert!(packed.len() * 2 < plain.len(), "{path}: {} of {}", packed.len(), plain.len());
        let head = browser.ask(Method::HEAD, &url, "identity").await;
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        assert!(head.headers().get("content-type").is_some(), "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
    for (path, status) in [("/ui/runs/x", 404), ("/ui/runs?state=green", 400), ("/ui/x", 404)] {
        let head = browser.ask(Method::HEAD, &format!("{}{path}", gateway.url), "gzip").await;
        assert_eq!(head.status().as_u16(), status, "{path}");
    }
    let anonymous = Browser::new().ask(Method::HEAD, &format!("{}/ui", gateway.url), "").await;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    // Neither the API nor hooks pay for it.
    let health = browser.ask(Method::GET, &format!("{}/openapi.json", gateway.url), "gzip").await;
    assert!(health.headers().get("content-encoding").is_none());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_theme_is_a_cookie_that_a_form_sets() {
    let env = Env::new(4306);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let theme = format!("{}/ui/theme", gateway.url);
    let shown = page(&browser, &gateway, "/ui/runs?state=failed").await;
    assert!(!shown.text.contains("data-theme"), "{}", shown.text);
    assert!(shown.text.contains("name=\"to\" value=\"/ui/runs?state=failed\""), "{}", shown.text);
    for (chosen, next) in [("light", "dark"), ("dark", "system")] {
        let fields = [("theme", chosen), ("to", "/ui/runs?state=failed")];
        let set = browser.submit(&theme, &fields, "same-origin").await;
        assert_eq!(set.status, StatusCode::SEE_OTHER, "{}", set.text);
        let to = set.location.unwrap();
        assert_eq!((to.path(), to.query()), ("/ui/runs", Some("state=failed")));
        let shown = page(&browser, &gateway, "/ui/runs").await;
        assert!(shown.text.contains(&format!("data-theme=\"{chosen}\"")), "{}", shown.text);
        assert!(shown.text.contains(&format!("name=\"theme\" value=\"{next}\"")));
    }
    let unknown = browser.submit(&theme, &[("theme", "\"><b>")], "same-origin").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let elsewhere = browser.submit(&theme, &[("theme", "light")], "cross-site").await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
    let away = [("theme", "light"), ("to", "https://example.com/ui")];
    let set = browser.submit(&theme, &away, "same-origin").await;
    assert_eq!(set.location.unwrap().path(), "/ui");
    browser.set_cookie("azdo_gateway_theme", "\"><script>");
    let shown = page(&browser, &gateway, "/ui").await;
    assert!(!shown.text.contains("data-theme"), "an unknown theme is none");
    gateway.stop().await;
}
