//! What open pages are told of: what they are about, if who looks may see it.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::Value;

use super::live::{ask, listen};
use super::{page, signed_in};
use crate::harness::{Api, Env, Gateway, PageResponse, VIEWER};

pub(super) const NO_RUN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The path below `/ui` of a pull request.
pub(super) fn pull_request(id: u64) -> String {
    format!("/fabrikam/Fabrikam/_git/web/pullrequest/{id}")
}

/// What the stream of a page is about; none where no part of it is read again.
pub(super) fn about(shown: &PageResponse) -> Option<String> {
    let (_, rest) = shown.text.split_once("data-about=\"")?;
    shown.text.contains("data-live=\"").then(|| unescaped(rest))
}

/// The value of an attribute.
fn unescaped(rest: &str) -> String {
    let value = rest.split('"').next().unwrap_or_default();
    value.replace("&#38;", "&").replace("&#39;", "'")
}

/// Each part of a page is read again for nothing that its stream is not about.
pub(super) fn check_parts(shown: &PageResponse, path: &str) {
    let Some(about) = about(shown) else { return };
    for part in shown.text.split("data-live=\"").skip(1).map(unescaped) {
        for kind in part.split(' ').filter(|kind| *kind != "beat") {
            let is_covered = match about.split_once(':') {
                Some(("run", _)) => kind == about || kind == "status",
                Some(("delivery", _)) => kind == about || kind == "run",
                Some(_) => false,
                None => about.starts_with('/') || about.split(',').any(|one| one == kind),
            };
            assert!(is_covered, "{path} is about {about}, and a part of it about {kind}");
        }
    }
}

/// A run, its delivery and its statuses, as changes name them.
async fn things_of(api: &Api, run: &str) -> BTreeSet<(String, String)> {
    let statuses = api.items(&format!("/v1/statuses?run={run}")).await;
    let statuses = statuses.iter().map(|status| ("status".to_owned(), status["id"].to_string()));
    let delivery = ("delivery".to_owned(), delivery_of(api, run).await);
    statuses.chain([("run".to_owned(), run.to_owned()), delivery]).collect()
}

/// Those of them that watchers are told of once the run has succeeded.
async fn news_of(api: &Api, run: &str) -> BTreeSet<(String, String)> {
    let succeeded = api.items(&format!("/v1/statuses?run={run}&outcome=posted")).await;
    let succeeded = succeeded.iter().filter(|status| status["state"] == "succeeded");
    let news = succeeded.map(|status| ("status".to_owned(), status["id"].to_string()));
    news.chain([("run".to_owned(), run.to_owned())]).collect()
}

/// The delivery that has started a run.
async fn delivery_of(api: &Api, run: &str) -> String {
    let started = api.items("/v1/deliveries?outcome=started").await;
    let is_its = |delivery: &&Value| delivery["runs"].as_array().unwrap().contains(&run.into());
    started.iter().find(is_its).expect("there is one")["id"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn an_open_page_is_told_of_what_it_is_about_and_of_nothing_else() {
    let env = Env::new(4501);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let ((id, commit), (other_id, other_commit)) = (env.open("topic"), env.open("other"));
    let run = env.until_started("unit-tests", &commit).await;
    let other = env.until_started("unit-tests", &other_commit).await;
    env.until_idle(&gateway.api).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let mut streams = Vec::new();
    for about in [
        pull_request(id),
        format!("/fabrikam/Fabrikam/_git/web/commit/{commit}"),
        format!("run:{run}"),
        format!("delivery:{}", delivery_of(&gateway.api, &run).await),
    ] {
        // The load balancer gives each a replica in turn.
        for _ in 0..gateway.each().len() {
            streams.push((about.clone(), listen(&browser, &gateway.url, &about).await));
        }
    }
    env.report(&other, "succeeded");
    env.until_status(other_id, &other_commit, "unit-tests", "succeeded").await;
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let others = things_of(&gateway.api, &other).await;
    let news = news_of(&gateway.api, &run).await;
    assert_eq!(news.len(), 3, "it is shown on the pull request and on the commit");
    for (about, stream) in &mut streams {
        stream.until_told(&news).await;
        assert!(stream.changes().is_disjoint(&others), "{about}: {}", stream.text);
    }
    // A pull request is told of what comes, and of its statuses.
    let new = env.push("topic");
    let next = env.until_started("unit-tests", &new).await;
    env.report(&next, "succeeded");
    env.until_status(id, &new, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let mut expected = news_of(&gateway.api, &next).await;
    expected.insert(("delivery".to_owned(), delivery_of(&gateway.api, &next).await));
    for (about, stream) in streams.iter_mut().filter(|(about, _)| *about == pull_request(id)) {
        stream.until_told(&expected).await;
        assert!(stream.changes().is_disjoint(&others), "{about}: {}", stream.text);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_branch_is_told_of_its_runs_and_their_statuses() {
    let env = Env::new(4505);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (commit, (id, other_commit)) = (env.push("main"), env.open("topic"));
    let run = env.until_started("unit-tests", &commit).await;
    let other = env.until_started("unit-tests", &other_commit).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let about = "/fabrikam/Fabrikam/_git/web?version=GBmain";
    let mut stream = listen(&browser, &gateway.url, about).await;
    env.report(&other, "succeeded");
    env.until_status(id, &other_commit, "unit-tests", "succeeded").await;
    env.report(&run, "succeeded");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    stream.until_told(&news_of(&gateway.api, &run).await).await;
    let others = things_of(&gateway.api, &other).await;
    assert!(stream.changes().is_disjoint(&others), "{}", stream.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_things_are_told_of_alone() {
    let env = Env::new(4502);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let mut beat = listen(&browser, &gateway.url, "beat").await;
    let mut runs = listen(&browser, &gateway.url, "run").await;
    let mut both = listen(&browser, &gateway.url, "status,delivery").await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let run = gateway.api.items("/v1/runs").await[0]["id"].as_str().unwrap().to_owned();
    let mut news = news_of(&gateway.api, &run).await;
    let of_run = ("run".to_owned(), run);
    runs.until_told(&[of_run.clone()].into()).await;
    assert_eq!(runs.changes(), [of_run.clone()].into());
    news.remove(&of_run);
    both.until_told(&news).await;
    assert!(!both.changes().contains(&of_run), "{}", both.text);
    gateway.stop().await;
    beat.until_end().await;
    assert!(!beat.text.contains("changed"), "{}", beat.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_cannot_be_about_is_refused() {
    let env = Env::new(4503);
    let gateway = Gateway::start(&env).await;
    let (_, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let refusal = async |about: &str| {
        let refused = ask(&browser, &gateway.url, about).await;
        (refused.status(), refused.text().await.expect("it is whole"))
    };
    for about in [
        "tree",
        "run,tree",
        "beat,run",
        "run:1",
        "delivery:x",
        "delivery:99999999999999999999",
        "status:1",
        "/runs",
        "/fabrikam/Fabrikam/_git/web",
        "/fabrikam/Fabrikam/_git/web/commit/c0ffee",
        "/fabrikam/Fabrikam/_git/web/pullrequest/0x1",
        "https://dev.azure.com/fabrikam/Fabrikam/_git/web/pullrequest/1",
        "//[\u{0}\u{202e}",
    ] {
        let (status, text) = refusal(about).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{about}: {text}");
        assert!(text.contains("About: beat; delivery, run, status or"), "{about}: {text}");
    }
    for about in [
        format!("run:{NO_RUN}"),
        "delivery:999999".to_owned(),
        "/nowhere/Fabrikam/_git/web/pullrequest/1".to_owned(),
        "/fabrikam/Fabrikam/_git/nothing/pullrequest/1".to_owned(),
        format!("/fabrikam/Nothing/_git/web/commit/{commit}"),
    ] {
        let (status, text) = refusal(&about).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{about}: {text}");
        assert!(text.contains("may not see it"), "{about}: {text}");
    }
    let url = format!("{}/ui/live?about=run&colour=red", gateway.url);
    assert_eq!(browser.open(&url, None).await.status, StatusCode::BAD_REQUEST);
    // Nobody has told of it yet: somebody may.
    let mut unknown = listen(&browser, &gateway.url, &pull_request(4_711)).await;
    gateway.stop().await;
    unknown.until_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_repository_that_nobody_has_told_of_looks_again_with_each_beat() {
    let env = Env::new(4504);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    for path in ["/ui/fabrikam/Fabrikam/_git/web/pullrequest/1", "/ui/fabrikam/Fabrikam/_git/web"] {
        let shown = page(&browser, &gateway, path).await;
        assert!(shown.text.contains("data-about=\"beat\""), "{}", shown.text);
        assert!(shown.text.contains("data-live=\"beat\""), "{}", shown.text);
    }
    gateway.stop().await;
}
