//! Text from outside stays text on every page.

use fakes::ado::NewPullRequest;
use reqwest::StatusCode;
use serde_json::json;

use super::{check_page, page, signed_in};
use crate::harness::{Api, Env, Gateway, REPORTER, VIEWER};

const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> \u{202e}gnp.exe \u{2066}";

#[tokio::test(flavor = "multi_thread")]
async fn titles_branches_and_words_of_a_ci_are_never_markup() {
    let env = Env::new(4301);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let title = format!("{HOSTILE}{}", "long ".repeat(800));
    let (id, commit) = env.shell.ado(|ado| {
        let commit = ado.push(&env.repository, "<b>topic", "Work");
        let new = NewPullRequest::new(&env.repository, "<b>topic", "main").titled(&title);
        (ado.open_pull_request(&new), commit)
    });
    let run = env.until_started("unit-tests", &commit).await;
    let report = json!({ "state": "running", "description": HOSTILE,
        "url": "https://ci.example.com/\"><script>alert(1)</script>" });
    let path = format!("/v1/runs/{run}/reports");
    let (status, answer) = Api::new(&gateway.url, REPORTER).post(&path, Some(&report)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let browser = signed_in(&gateway, VIEWER).await;
    let delivery = &gateway.api.items("/v1/deliveries?outcome=started").await[0]["id"];
    for path in [
        "/ui".to_owned(),
        "/ui/runs".to_owned(),
        format!("/ui/runs/{run}"),
        "/ui/statuses".to_owned(),
        "/ui/deliveries".to_owned(),
        format!("/ui/deliveries/{delivery}"),
        "/ui/audit".to_owned(),
        "/ui/pull-requests".to_owned(),
        format!("/ui/fabrikam/Fabrikam/_git/web/pullrequest/{id}"),
        format!("/ui/fabrikam/Fabrikam/_git/web/pullrequest/{id}?look=ado"),
        format!("/ui/fabrikam/Fabrikam/_git/web/commit/{commit}"),
        "/ui/fabrikam/Fabrikam/_git/web?version=GB%3Cb%3Etopic".to_owned(),
    ] {
        let shown = page(&browser, &gateway, &path).await;
        for harmful in ["<img src=x", "<b>topic", "\u{202e}", "\u{2066}"] {
            assert!(!shown.text.contains(harmful), "{path} has {harmful:?}: {}", shown.text);
        }
        let is_item =
            ["/ui/runs/", "/ui/deliveries/", "/ui/fabrikam/"].iter().any(|it| path.starts_with(it));
        assert!(is_item || shown.text.len() < 60_000, "{path}: {} bytes", shown.text.len());
    }
    let shown = page(&browser, &gateway, &format!("/ui/runs/{run}")).await;
    assert!(shown.text.contains("&#60;script&#62;alert(1)"), "{}", shown.text);
    assert!(shown.text.contains("\\u202egnp.exe"), "{}", shown.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_address_says_is_never_markup() {
    let env = Env::new(4302);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let hostile: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let long = "x".repeat(4_000);
    for path in [
        format!("/ui/find?q={hostile}"),
        format!("/ui/find?q={long}"),
        format!("/ui/runs?check={hostile}"),
        format!("/ui/runs?check={long}"),
        format!("/ui/runs?{hostile}={hostile}"),
        format!("/ui/runs?state={hostile}"),
        format!("/ui/runs/{hostile}"),
        format!("/ui/{hostile}"),
        format!("/ui/fabrikam/{hostile}/_git/{hostile}/pullrequest/1"),
        format!("/ui/fabrikam/{long}/_git/{long}/pullrequest/1"),
        format!("/ui/fabrikam/Fabrikam/_git/web?version=GB{hostile}"),
        format!("/ui/fabrikam/Fabrikam/_git/web/commit/{hostile}"),
        format!("/ui/pull-requests?repository_id={hostile}"),
        format!("/login?to={hostile}"),
        format!("/connect/{hostile}"),
    ] {
        let shown = browser.open(&format!("{}{path}", gateway.url), None).await;
        assert!(!shown.status.is_server_error(), "{path}: {}", shown.text);
        check_page(&shown, &path);
        assert!(!shown.text.contains("<img src=x"), "{path}: {}", shown.text);
        assert!(!shown.text.contains('\u{202e}'), "{path}: {}", shown.text);
    }
    gateway.stop().await;
}
