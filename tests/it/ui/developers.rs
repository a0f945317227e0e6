//! Developers: they see what Azure DevOps lets them read, and learn nothing of the rest.

use std::collections::BTreeSet;

use fakes::ado::Permission;
use fakes::faults::{Action, Rule};
use reqwest::StatusCode;

use super::about::{NO_RUN, about, pull_request};
use super::entra::{JO, entered, gateway};
use super::live::listen;
use super::{check_page, links, page};
use crate::harness::{Browser, Env, Gateway, PageResponse};

async fn open(browser: &Browser, gateway: &Gateway, path: &str) -> PageResponse {
    let shown = browser.open(&format!("{}{path}", gateway.url), None).await;
    check_page(&shown, path);
    shown
}

/// The identity of the person at Azure DevOps.
fn jo(env: &Env) -> String {
    env.shell.ado(|ado| ado.identity_named(JO).expect("there is Jo"))
}

/// How often Azure DevOps was asked for a repository, and for permissions.
fn asked(env: &Env) -> usize {
    let part = format!("/_apis/git/repositories/{}?", env.repository);
    env.shell.ado(|ado| ado.journal.count("GET", &part))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_sees_the_runs_of_repositories_that_azure_devops_shows() {
    let env = Env::new(4401);
    env.disable_ci_reports();
    let gateway = gateway(&env, "").await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let browser = entered(&gateway).await;
    assert_eq!(asked(&env), 0);
    let path = format!("/ui/runs/{run}");
    let shown = page(&browser, &gateway, &path).await;
    assert!(shown.text.contains("unit-tests on Fabrikam/web"), "{}", shown.text);
    assert!(shown.text.contains(&format!("<b>{JO}</b> developer")), "{}", shown.text);
    for _ in 0..3 {
        page(&browser, &gateway, &path).await;
    }
    // Once whether they may read it, and once whether they may run it again.
    assert_eq!(asked(&env), 2, "the answers are kept");
    // Every link of the page leads to something that a developer may see.
    for link in links(&shown).into_iter().filter(|link| !link.starts_with("/assets/")) {
        let led = browser.open(&format!("{}{link}", gateway.url), None).await;
        assert_ne!(led.status, StatusCode::NOT_FOUND, "{link}: {}", led.text);
    }
    let of_repository = "/ui/fabrikam/Fabrikam/_git/web";
    let mut streams = Vec::new();
    for (sought, expected) in [
        (run.clone(), path),
        (commit.clone(), format!("{of_repository}/commit/{commit}")),
        (format!("!{id}"), format!("{of_repository}/pullrequest/{id}")),
    ] {
        let found = browser.open(&format!("{}/ui/find?q={sought}", gateway.url), None).await;
        let to = found.location.unwrap_or_else(|| panic!("{sought}: {}", found.text));
        assert_eq!(to.path(), expected, "{sought}");
        let shown = page(&browser, &gateway, &expected).await;
        let about = about(&shown).expect("it has parts");
        streams.push(listen(&browser, &gateway.url, &about).await);
    }
    // Of their pages they are told what changes.
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let beat = listen(&browser, &gateway.url, "beat").await;
    let news = BTreeSet::from([("run".to_owned(), run)]);
    for mut stream in streams {
        stream.until_told(&news).await;
    }
    assert!(!beat.text.contains("changed"), "{}", beat.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_developer_may_not_see_is_answered_like_what_does_not_exist() {
    let env = Env::new(4402);
    let gateway = gateway(&env, "").await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let (identity, repository) = (jo(&env), env.repository.clone());
    env.shell.ado(|ado| ado.deny(&identity, Permission::GenericRead, Some(&repository)));
    let browser = entered(&gateway).await;
    let mut answers = Vec::new();
    for path in [
        format!("/ui/runs/{run}"),
        format!("/ui/runs/{NO_RUN}"),
        "/ui/runs/1".to_owned(),
        "/ui/nothing".to_owned(),
        "/ui".to_owned(),
        "/ui/runs".to_owned(),
        "/ui/runs?unknown=filter".to_owned(),
        "/ui/deliveries".to_owned(),
        "/ui/deliveries/1".to_owned(),
        "/ui/deliveries/1/body".to_owned(),
        "/ui/statuses".to_owned(),
        "/ui/subscriptions".to_owned(),
        "/ui/connections".to_owned(),
        "/ui/ci".to_owned(),
        "/ui/audit".to_owned(),
        "/ui/audit/1".to_owned(),
        "/ui/live".to_owned(),
        "/ui/live?about=run".to_owned(),
        "/ui/live?about=delivery:1".to_owned(),
        "/ui/live?about=delivery:999999".to_owned(),
        format!("/ui/live?about=run:{run}"),
        format!("/ui/live?about=run:{NO_RUN}"),
        format!("/ui/live?about={}", pull_request(id)),
        format!("/ui/live?about=/fabrikam/Fabrikam/_git/web/commit/{commit}"),
        "/ui/live?about=/fabrikam/Fabrikam/_git/nothing/pullrequest/1".to_owned(),
        "/ui/live?about=/nowhere/Fabrikam/_git/web/pullrequest/1".to_owned(),
    ] {
        let shown = open(&browser, &gateway, &path).await;
        let bare = path.split('?').next().unwrap();
        let told = format!("There is no page {bare}, or {JO} may not see it.");
        assert!(shown.text.contains(&told), "{path}: {}", shown.text);
        let back: String = url::form_urlencoded::byte_serialize(bare.as_bytes()).collect();
        let text = shown.text.replace(&told, "TOLD").replace(&format!("to={back}\""), "BACK");
        assert!(text.contains("BACK"), "another account leads back here: {text}");
        answers.push((shown.status, text));
    }
    assert_eq!(answers[0].0, StatusCode::NOT_FOUND);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    for sought in [run, commit, "1".to_owned()] {
        let found = open(&browser, &gateway, &format!("/ui/find?q={sought}")).await;
        assert!(found.text.contains("Nothing is known of"), "{}", found.text);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_runs_again_what_azure_devops_lets_them_contribute_to() {
    let env = Env::new(4406);
    let gateway = gateway(&env, "").await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let (identity, repository) = (jo(&env), env.repository.clone());
    let path = format!("/ui/runs/{run}/rerun");
    let browser = entered(&gateway).await;
    page(&browser, &gateway, &path).await;
    let new = "01890a5d-ac96-774b-bcce-b302099a8058";
    let url = format!("{}{path}", gateway.url);
    let sent = browser.submit(&url, &[("new", new)], "same-origin").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    page(&browser, &gateway, &format!("/ui/runs/{new}")).await;
    let entry = &gateway.api.items("/v1/audit?action=rerun").await[0];
    assert_eq!((&entry["actor"], &entry["via"]), (&JO.into(), &"session".into()));
    // What serves operators only stays closed, and so does what they may only read.
    let delivery = open(&browser, &gateway, "/ui/deliveries/1/replay").await;
    assert_eq!(delivery.status, StatusCode::NOT_FOUND);
    env.shell.ado(|ado| ado.deny(&identity, Permission::GenericContribute, Some(&repository)));
    let reader = entered(&gateway).await;
    let shown = page(&reader, &gateway, &format!("/ui/runs/{run}")).await;
    assert!(!shown.text.contains(&path), "{}", shown.text);
    for refused in
        [open(&reader, &gateway, &path).await, reader.submit(&url, &[], "same-origin").await]
    {
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert!(refused.text.contains("may not contribute"), "{}", refused.text);
    }
    env.until_idle(&gateway.api).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_session_is_asked_for_again_and_viewers_are_not() {
    let env = Env::new(4403);
    let group = "0a1b2c3d-0000-4000-8000-00000000aaaa";
    let gateway = gateway(&env, &format!("viewers = [\"group:{group}\"]")).await;
    let (_, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let path = format!("/ui/runs/{run}");
    let first = entered(&gateway).await;
    page(&first, &gateway, &path).await;
    let (identity, repository) = (jo(&env), env.repository.clone());
    env.shell.ado(|ado| ado.deny(&identity, Permission::GenericRead, Some(&repository)));
    page(&first, &gateway, &path).await;
    let second = entered(&gateway).await;
    assert_eq!(open(&second, &gateway, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(asked(&env), 3);
    env.shell.entra(|entra| entra.set_roles(JO, &[group], &[]));
    let viewer = entered(&gateway).await;
    page(&viewer, &gateway, &path).await;
    assert_eq!(asked(&env), 3, "viewers pass without a question");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_sign_in_at_azure_devops_any_more_sees_nothing() {
    let env = Env::new(4404);
    let gateway = gateway(&env, "").await;
    let (_, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let path = format!("/ui/runs/{run}");
    // The cookie with the refresh token of another session, none at all, and a disabled account.
    let (one, other) = (entered(&gateway).await, entered(&gateway).await);
    let name = "azdo_gateway_refresh";
    let foreign = other.cookie(name).expect("it has one");
    for value in [foreign.as_str(), "", "%%"] {
        one.set_cookie(name, value);
        assert_eq!(open(&one, &gateway, &path).await.status, StatusCode::NOT_FOUND, "{value}");
    }
    env.shell.entra(|entra| entra.set_account_error(JO, Some(50057)));
    assert_eq!(open(&other, &gateway, &path).await.status, StatusCode::NOT_FOUND);
    env.shell.entra(|entra| entra.set_account_error(JO, None));
    page(&entered(&gateway).await, &gateway, &path).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn find_says_that_azure_devops_could_not_be_asked() {
    let env = Env::new(4407);
    let gateway = gateway(&env, "").await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let browser = entered(&gateway).await;
    let path = format!("/_apis/git/repositories/{}", env.repository);
    env.shell.ado(|ado| ado.faults.add(Rule::new("GET", &path, Action::DropBefore)));
    for sought in [run.clone(), commit, format!("!{id}"), "topic".to_owned()] {
        let found = open(&browser, &gateway, &format!("/ui/find?q={sought}")).await;
        assert_eq!(found.status, StatusCode::SERVICE_UNAVAILABLE, "{sought}: {}", found.text);
        let reason =
            "Azure DevOps could not be asked what you may see: Azure DevOps is unavailable: ";
        assert!(found.text.contains(reason), "{sought}: {}", found.text);
    }
    let unknown = open(&browser, &gateway, "/ui/find?q=unknown").await;
    assert!(unknown.text.contains("Nothing is known of"), "{}", unknown.text);
    env.shell.ado(|ado| ado.faults.clear());
    let found = browser.open(&format!("{}/ui/find?q={run}", gateway.url), None).await;
    assert_eq!(found.status, StatusCode::SEE_OTHER, "{}", found.text);
    gateway.stop().await;
}
