//! What pages show, and where their links lead.

use std::collections::BTreeSet;

use reqwest::StatusCode;

use super::about::about;
use super::live::ask;
use super::{check_page, links, page, signed_in};
use crate::harness::{Browser, Env, Gateway, OPERATOR, VIEWER};

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn every_link_of_every_page_leads_to_a_page() {
    let env = Env::new(4201);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let browser = signed_in(&gateway, VIEWER).await;
    let (mut seen, mut abouts): (BTreeSet<String>, BTreeSet<String>) = Default::default();
    let mut next = vec!["/ui".to_owned()];
    while let Some(path) = next.pop() {
        if !path.starts_with("/ui/assets/") && seen.insert(path.clone()) && seen.len() < 200 {
            let shown = page(&browser, &gateway, &path).await;
            if let Some(about) = about(&shown) {
                let stream = ask(&browser, &gateway.url, &about).await;
                assert_eq!(stream.status(), StatusCode::OK, "{path} is about {about}");
                abouts.insert(about);
            }
            let is_page = |link: &String| link.starts_with("/ui");
            next.extend(links(&shown).into_iter().filter(is_page));
        }
    }
    for area in ["/ui/deliveries", "/ui/runs", "/ui/statuses", "/ui/subscriptions"] {
        assert!(seen.contains(area), "{seen:?}");
    }
    for area in ["/ui/connections", "/ui/ci", "/ui/audit", "/ui/pull-requests"] {
        assert!(seen.contains(area), "{seen:?}");
    }
    for part in
        ["/ui/runs/", "/ui/deliveries/", "/body", "/ui/audit/", "?run=", "/_git/web/commit/"]
    {
        assert!(seen.iter().any(|path| path.contains(part)), "{part}: {seen:?}");
    }
    for about in ["beat", "delivery,run,status", "run", "delivery,run", "/fabrikam/", "run:"] {
        assert!(abouts.iter().any(|one| one.starts_with(about)), "{about}: {abouts:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pages_load_is_kept_until_it_changes() {
    let env = Env::new(4202);
    let gateway = Gateway::start(&env).await;
    let browser = Browser::new();
    let form = browser.open(&format!("{}/login", gateway.url), None).await;
    let assets: Vec<String> =
        links(&form).into_iter().filter(|link| link.starts_with("/ui/assets/")).collect();
    assert_eq!(assets.len(), 2, "{assets:?}");
    for asset in &assets {
        let loaded = browser.open(&format!("{}{asset}", gateway.url), None).await;
        assert_eq!(loaded.status, StatusCode::OK, "{asset}");
        let kept = loaded.headers["cache-control"].to_str().unwrap();
        assert!(kept.contains("immutable"), "{kept}");
        assert_eq!(loaded.headers["x-content-type-options"], "nosniff");
    }
    let other = browser.open(&format!("{}/ui/assets/0/app.css", gateway.url), None).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    let icon = browser.open(&format!("{}/favicon.ico", gateway.url), None).await;
    assert_eq!(icon.status, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_and_its_delivery_say_what_happened_and_why() {
    let env = Env::new(4203);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let browser = signed_in(&gateway, VIEWER).await;
    let run = gateway.api.items("/v1/runs").await[0]["id"].as_str().unwrap().to_owned();
    let posted = |it: &serde_json::Value| {
        it["items"].as_array().unwrap().iter().any(|one| one["state"] == "succeeded")
    };
    gateway.api.until(&format!("/v1/statuses?run={run}&outcome=posted"), posted).await;

    let shown = page(&browser, &gateway, &format!("/ui/runs/{run}")).await;
    for text in [
        format!("unit-tests on Fabrikam/web !{id}"),
        "Succeeded".to_owned(),
        "Merge topic into main".to_owned(),
        commit.clone(),
        "ci/unit-tests".to_owned(),
        "What happened to the run, oldest first".to_owned(),
        "Attempt".to_owned(),
        "also what started nothing".to_owned(),
        format!("<code>azdo-gateway runs show {run}</code>"),
        format!("<code>GET /v1/runs/{run}</code>"),
    ] {
        assert!(shown.text.contains(&text), "{text}: {}", shown.text);
    }
    let started = &gateway.api.items("/v1/deliveries?outcome=started").await[0];
    let path = format!("/ui/deliveries/{}", started["id"]);
    let shown = page(&browser, &gateway, &path).await;
    let (run_link, checks) = (format!("/ui/runs/{run}"), "What was decided about each check");
    for text in ["Started", started["reason"].as_str().unwrap(), &run_link, checks] {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    let raw = page(&browser, &gateway, &format!("{path}/body")).await;
    assert_eq!(raw.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&raw.text).unwrap(),
        gateway.api.get(&format!("/v1/deliveries/{}", started["id"])).await["body"]
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_understood_or_is_not_there_is_said_alike() {
    let env = Env::new(4204);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    let answer = async |path: &str| {
        let shown = browser.open(&format!("{}{path}", gateway.url), None).await;
        check_page(&shown, path);
        shown
    };
    for (path, reason) in [
        ("/ui/runs?colour=red", "there are limit, cursor, organization, check"),
        ("/ui/runs?state=green", "a state of a run is needed"),
        ("/ui/runs?pull_request=x", "the number of a pull request is needed"),
        ("/ui/runs?since=yesterday", "a time such as 2026-11-28T14:00:00Z, or a day is needed"),
        ("/ui/deliveries?until=2026-13-01", "a time such as"),
        ("/ui/statuses?since=2026-11-28T25:00", "a time such as"),
        ("/ui/audit?since=2026-11-28", "unknown parameter"),
        ("/ui/deliveries?ci=builder", "unknown parameter"),
        ("/ui/runs?limit=0", "a number from 1 to 500"),
        ("/ui/runs?limit=100000", "a number from 1 to 500"),
        ("/ui/runs?cursor=%F0", "what an earlier answer gave"),
        ("/ui/deliveries?outcome=lost", "quarantined, pending is needed"),
        ("/ui/deliveries?event=git.push", "pull_request_opened, pull_request_pushed, "),
        ("/ui/statuses?run=1", "the id of a run is needed"),
        ("/ui/audit?action=win", "sign_out, revoke_sessions, reload is needed"),
        ("/ui/subscriptions?project=1", "there are limit, cursor, organization"),
        ("/ui/ci?organization=1", "unknown parameter"),
        ("/ui?state=1", "unknown parameter"),
    ] {
        let shown = answer(path).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(shown.text.contains(reason), "{path}: {}", shown.text);
    }
    // The empty fields of a form are no filters.
    page(&browser, &gateway, "/ui/runs?organization=&state=&check=&pull_request=").await;
    for (list, unknown, unreadable) in [
        ("runs", "01890a5d-ac96-774b-bcce-b302099a8057", "x"),
        ("deliveries", "999999999", "1e9"),
        ("audit", "999999999", "-"),
    ] {
        let texts = [unknown, unreadable].map(async |id| {
            let shown = answer(&format!("/ui/{list}/{id}")).await;
            assert_eq!(shown.status, StatusCode::NOT_FOUND);
            assert!(shown.text.contains("or ops may not see it"), "{}", shown.text);
            shown.text.replace(&format!(" {id},"), " ID,")
        });
        let [one, other] = texts;
        assert_eq!(one.await, other.await);
    }
    assert_eq!(answer("/ui/nothing").await.status, StatusCode::NOT_FOUND);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_lead_to_what_is_older_with_their_filters() {
    let env = Env::new(4205);
    let gateway = Gateway::start(&env).await;
    for branch in ["one", "two"] {
        let (_, commit) = env.open(branch);
        env.until_started("unit-tests", &commit).await;
    }
    let browser = signed_in(&gateway, VIEWER).await;
    let first = page(&browser, &gateway, "/ui/runs?organization=fabrikam&limit=1").await;
    assert!(first.text.contains("GET /v1/runs?organization=fabrikam</code>"), "{}", first.text);
    let command = "azdo-gateway runs list --organization fabrikam</code>";
    assert!(first.text.contains(command), "{}", first.text);
    let older: Vec<String> =
        links(&first).into_iter().filter(|link| link.contains("cursor=")).collect();
    assert!(older[0].contains("organization=fabrikam&limit=1"), "{older:?}");
    let second = page(&browser, &gateway, &older[0]).await;
    let runs = |text: &str| text.matches("<tr id=\"run-").count();
    assert_eq!((runs(&first.text), runs(&second.text)), (1, 1));
    assert_ne!(first.text, second.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_limited_to_a_time_an_event_and_a_ci() {
    let env = Env::new(4207);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let browser = signed_in(&gateway, VIEWER).await;
    let rows = |text: &str| text.matches("<tr id=\"").count();
    for list in ["runs", "deliveries", "statuses"] {
        for (filter, is_shown) in [
            ("since=2000-01-01", true),
            ("since=2000-01-01T00:00&until=2999-12-31T23:59", true),
            ("since=2999-01-01T00:00:00%2B01:00", false),
            ("until=2000-01-01T00:00:00Z", false),
        ] {
            let path = format!("/ui/{list}?{filter}");
            let shown = page(&browser, &gateway, &path).await;
            assert_eq!(rows(&shown.text) > 0, is_shown, "{path}: {}", shown.text);
            let items = gateway.api.items(&format!("/v1/{list}?{filter}")).await;
            assert_eq!(!items.is_empty(), is_shown, "{path}");
        }
        let shown = page(&browser, &gateway, &format!("/ui/{list}?since=2000-01-01T00:00")).await;
        let field = "<input name=\"since\" type=\"datetime-local\" value=\"2000-01-01T00:00\"";
        assert!(shown.text.contains(field), "{}", shown.text);
    }
    for (event, is_shown) in [("pull_request_opened", true), ("branch_deleted", false)] {
        let path = format!("/ui/deliveries?event={event}");
        let shown = page(&browser, &gateway, &path).await;
        assert_eq!(rows(&shown.text) > 0, is_shown, "{path}: {}", shown.text);
        assert!(shown.text.contains(&format!("<option selected>{event}</option>")), "{path}");
        let items = gateway.api.items(&format!("/v1/deliveries?event={event}")).await;
        assert_eq!(!items.is_empty(), is_shown, "{path}");
        assert!(items.iter().all(|item| item["event"] == event), "{items:?}");
    }
    assert_eq!(gateway.api.items("/v1/runs?ci=builder").await.len(), 1);
    assert_eq!(gateway.api.items("/v1/runs?ci=other").await.len(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_found_by_who_and_its_file_says_where_older_entries_are() {
    let env = Env::new(4208);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let browser = signed_in(&gateway, OPERATOR).await;
    for (actor, count) in [("OPS", 1), ("op", 0)] {
        let path = format!("/ui/audit?actor={actor}");
        let shown = page(&browser, &gateway, &path).await;
        assert_eq!(shown.text.matches("<tr id=\"entry-").count(), count, "{}", shown.text);
        let items = gateway.api.items(&format!("/v1/audit?actor={actor}")).await;
        assert!(items.iter().all(|item| item["actor"] == "ops"), "{items:?}");
        assert_eq!(items.len(), count);
    }
    // The sign-in is the newest entry, and the run was started for nobody.
    let mut path = "/ui/audit.csv?organization=fabrikam&limit=1".to_owned();
    let mut entries = Vec::new();
    loop {
        let file = page(&browser, &gateway, &path).await.text;
        let lines: Vec<&str> = file.lines().collect();
        assert!(lines[0].starts_with("id,at,outcome,"), "{file}");
        entries.push(lines[1].split_once(',').expect("it has columns").0.replace('"', ""));
        let Some(last) = lines.get(2) else { break };
        let (_, rest) = last.split_once(",,,,,,,,,,,\"older entries ").expect("nothing else");
        let (_, rest) = rest.split_once(&gateway.url).expect("it has the address");
        path = rest.replace('"', "");
        assert!(path.contains("organization=fabrikam&limit=1&cursor="), "{path}");
    }
    let ids = gateway.api.items("/v1/audit?organization=fabrikam&limit=500").await;
    let ids: Vec<_> = ids.iter().map(|item| item["id"].to_string()).collect();
    assert!(ids.len() > 1);
    assert_eq!(entries, ids);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn find_leads_to_the_one_thing_that_fits() {
    let env = Env::new(4206);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let find = async |sought: &str| {
        let q: String = url::form_urlencoded::byte_serialize(sought.as_bytes()).collect();
        browser.open(&format!("{}/ui/find?q={q}", gateway.url), None).await
    };
    let web = format!("https://dev.azure.com/fabrikam/Fabrikam/_git/web/pullrequest/{id}");
    let at_ado = format!("/ui/fabrikam/Fabrikam/_git/web/pullrequest/{id}");
    let of_commit = format!("/_git/web/commit/{commit}");
    for (sought, expected) in [
        (run.as_str(), format!("/ui/runs/{run}")),
        (&commit, of_commit.clone()),
        (&commit.to_uppercase(), of_commit.clone()),
        (&commit[..7], of_commit),
        (&format!("!{id}"), at_ado.clone()),
        (&format!(" {web}?_a=files "), at_ado.clone()),
        // The page says why nothing is known.
        (&web.replace("web", "x"), at_ado.replace("web", "x")),
    ] {
        let led = find(sought).await;
        assert_eq!(led.status, StatusCode::SEE_OTHER, "{sought}: {}", led.text);
        let to = led.location.unwrap();
        assert!(to.as_str().ends_with(&expected), "{sought}: {to}");
        assert_eq!(browser.open(to.as_str(), None).await.status, StatusCode::OK);
    }
    for sought in ["!999999", "no such branch", "https://example.com/"] {
        let shown = find(sought).await;
        assert_eq!(shown.status, StatusCode::OK);
        assert!(shown.text.contains("Nothing is known of"), "{sought}: {}", shown.text);
    }
    gateway.stop().await;
}
