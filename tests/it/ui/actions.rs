//! What people do on pages: they are shown what will happen, and what they send twice is done once.

use reqwest::StatusCode;
use serde_json::Value;

use super::{check_page, page, signed_in};
use crate::harness::{Browser, Env, Gateway, OPERATOR, PageResponse, Settings, VIEWER};

const MANAGED: &str = "hooks = true\nreconcile = \"1h\"\ncatch_up = \"1h\"";

/// The fields that a form carries.
fn carried(shown: &PageResponse) -> Vec<(String, String)> {
    let Some((_, form)) = shown.text.split_once("<form class=\"confirm\"") else {
        return Vec::new();
    };
    let inputs = form.split("<input type=\"hidden\" ").skip(1);
    let attribute = |input: &str, name: &str| {
        let rest = input.split_once(&format!("{name}=\"")).expect("it is there").1;
        rest.split_once('"').expect("it ends").0.to_owned()
    };
    inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
}

/// Sends the form of a page, with these fields beside those that it carries.
async fn send(
    browser: &Browser,
    url: &str,
    form: &[(String, String)],
    more: &[(&str, &str)],
) -> PageResponse {
    let carried = form.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<_> = carried.chain(more.iter().copied()).collect();
    browser.submit(url, &fields, "same-origin").await
}

/// How often the audit log has an action that somebody did.
async fn done(gateway: &Gateway, action: &str) -> usize {
    gateway.api.items(&format!("/v1/audit?action={action}")).await.len()
}

/// Viewers get 403 with and without a form; other sites get it, too.
async fn check_refusals(gateway: &Gateway, path: &str) {
    let url = format!("{}{path}", gateway.url);
    let viewer = signed_in(gateway, VIEWER).await;
    for refused in [viewer.open(&url, None).await, send(&viewer, &url, &[], &[]).await] {
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {}", refused.text);
        assert!(refused.text.contains("needs an operator"), "{path}: {}", refused.text);
        check_page(&refused, path);
    }
    let operator = signed_in(gateway, OPERATOR).await;
    let foreign = operator.submit(&url, &[], "cross-site").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{path}: {}", foreign.text);
    let empty = send(&operator, &url, &[], &[("nonsense", "1")]).await;
    let is_told = [StatusCode::BAD_REQUEST, StatusCode::SEE_OTHER].contains(&empty.status);
    assert!(is_told, "{path}: {}", empty.text);
    let nobody = Browser::new().submit(&url, &[], "same-origin").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{path}: {}", nobody.text);
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_run_is_run_again_once_however_often_the_form_is_sent() {
    let env = Env::new(4301);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let path = format!("/ui/runs/{run}/rerun");
    check_refusals(&gateway, &path).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    let of_run = page(&browser, &gateway, &format!("/ui/runs/{run}")).await;
    assert!(of_run.text.contains(&path), "{}", of_run.text);
    assert!(!of_run.text.contains("/cancel\""), "it has ended: {}", of_run.text);
    let shown = page(&browser, &gateway, &path).await;
    for words in ["builder is asked to run unit-tests on", "Azure DevOps will show pending"] {
        assert!(shown.text.contains(words), "{words}: {}", shown.text);
    }
    let (url, form) = (format!("{}{path}", gateway.url), carried(&shown));
    let clicks = [send(&browser, &url, &form, &[]), send(&browser, &url, &form, &[])];
    let clicks = futures_util::future::join_all(clicks).await;
    let late = send(&browser, &url, &form, &[]).await;
    let led: Vec<_> = clicks.iter().chain([&late]).map(|one| one.location.clone()).collect();
    assert!(led.iter().all(|to| to.is_some() && *to == led[0]), "{led:?}");
    let new = led[0].as_ref().unwrap().path().rsplit('/').next().unwrap().to_owned();
    assert_eq!(form[0].1, new);
    assert_eq!(gateway.api.items("/v1/runs").await.len(), 2);
    assert_eq!(done(&gateway, "rerun").await, 1);
    let entry = &gateway.api.items("/v1/audit?action=rerun").await[0];
    assert_eq!((&entry["actor"], &entry["via"]), (&"ops".into(), &"session".into()));
    env.until_idle(&gateway.api).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_after_its_end_was_shown() {
    let env = Env::new(4302);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let path = format!("/ui/runs/{run}/cancel");
    let browser = signed_in(&gateway, OPERATOR).await;
    let shown = page(&browser, &gateway, &path).await;
    let will = "Azure DevOps will show error: Cancelled";
    assert!(shown.text.to_lowercase().contains(&will.to_lowercase()), "{}", shown.text);
    let url = format!("{}{path}", gateway.url);
    for _ in 0..2 {
        let sent = send(&browser, &url, &carried(&shown), &[]).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
        assert!(sent.location.unwrap().path().ends_with(&run));
    }
    env.until_status(id, &commit, "unit-tests", "error").await;
    assert_eq!(done(&gateway, "cancel").await, 1);
    let again = page(&browser, &gateway, &path).await;
    assert!(again.text.contains("is cancelled") && carried(&again).is_empty(), "{}", again.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_runs_of_a_filter_run_again_together() {
    let env = Env::new(4303);
    let gateway = Gateway::start(&env).await;
    for branch in ["one", "two"] {
        let (id, commit) = env.open(branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    let browser = signed_in(&gateway, OPERATOR).await;
    let all = browser.open(&format!("{}/ui/runs/rerun", gateway.url), None).await;
    assert_eq!(all.status, StatusCode::BAD_REQUEST, "{}", all.text);
    let path = "/ui/runs/rerun?state=succeeded";
    let (shown, url) = (page(&browser, &gateway, path).await, format!("{}{path}", gateway.url));
    assert!(shown.text.contains("Run 2 again"), "{}", shown.text);
    for _ in 0..2 {
        let sent = send(&browser, &url, &carried(&shown), &[]).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    }
    assert_eq!(gateway.api.items("/v1/runs").await.len(), 4);
    assert_eq!(done(&gateway, "rerun").await, 2);
    let all_ended = |shown: &Value| shown["items"].as_array().is_some_and(|all| all.len() == 4);
    gateway.api.until("/v1/runs?state=succeeded", all_ended).await;
    // Of two runs of one pull request only the newest.
    let shown = page(&browser, &gateway, path).await;
    assert!(shown.text.contains("Run 2 again"), "{}", shown.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_delivery_is_replayed_once_after_it_was_explained() {
    let env = Env::new(4304);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let started = gateway.api.items("/v1/deliveries?outcome=started").await[0]["id"].clone();
    let path = format!("/ui/deliveries/{started}/replay");
    check_refusals(&gateway, &path).await;
    let viewer = signed_in(&gateway, VIEWER).await;
    let explain = format!("/ui/deliveries/{started}/explain");
    let explained = page(&viewer, &gateway, &explain).await;
    for words in ["What would be decided now", "Nothing was changed", "unit-tests"] {
        assert!(explained.text.contains(words), "{words}: {}", explained.text);
    }
    let before = gateway.api.items("/v1/deliveries").await.len();
    let browser = signed_in(&gateway, OPERATOR).await;
    let shown = page(&browser, &gateway, &path).await;
    assert!(shown.text.contains("Would be decided now"), "{}", shown.text);
    let (url, form) = (format!("{}{path}", gateway.url), carried(&shown));
    let clicks = [send(&browser, &url, &form, &[]), send(&browser, &url, &form, &[])];
    let clicks = futures_util::future::join_all(clicks).await;
    assert!(clicks[0].location.is_some(), "{}", clicks[0].text);
    assert_eq!(clicks[0].location, clicks[1].location);
    env.until_idle(&gateway.api).await;
    assert_eq!(gateway.api.items("/v1/deliveries").await.len(), before + 1);
    assert_eq!(done(&gateway, "replay").await, 1);
    gateway.stop().await;
}

async fn managed(env: &Env) -> Gateway {
    let change = |settings: &mut Settings| settings.organization = MANAGED.to_owned();
    let gateway = Gateway::without_hooks(env, change).await;
    env.until_hooks(&gateway.url, 4).await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_applied_only_as_it_was_shown() {
    let env = Env::new(4305);
    let gateway = managed(&env).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    let url = format!("{}/ui/subscriptions/plan", gateway.url);
    let nothing = page(&browser, &gateway, "/ui/subscriptions/plan").await;
    assert!(nothing.text.contains("Nothing is to be done"), "{}", nothing.text);
    let of_hooks = |ado: &fakes::ado::World| -> Vec<String> {
        ado.subscriptions().map(|one| one.id.clone()).collect()
    };
    let hooks = env.shell.ado(|ado| of_hooks(ado));
    env.shell.ado(|ado| ado.remove_subscription(&hooks[0]));
    let shown = page(&browser, &gateway, "/ui/subscriptions/plan").await;
    assert!(shown.text.contains("Apply 1 step<"), "{}", shown.text);
    // Another one goes missing before the form is sent.
    env.shell.ado(|ado| ado.remove_subscription(&hooks[1]));
    let stale = send(&browser, &url, &carried(&shown), &[]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "{}", stale.text);
    assert!(stale.text.contains("plan has changed since"), "{}", stale.text);
    assert_eq!(done(&gateway, "reconcile").await, 0);
    let shown = page(&browser, &gateway, "/ui/subscriptions/plan").await;
    assert!(shown.text.contains("Apply 2 steps<"), "{}", shown.text);
    for _ in 0..2 {
        let sent = send(&browser, &url, &carried(&shown), &[]).await;
        assert_eq!(sent.status, StatusCode::OK, "{}", sent.text);
        assert!(sent.text.contains("The plan is being applied"), "{}", sent.text);
    }
    env.until_hooks(&gateway.url, 4).await;
    assert_eq!(done(&gateway, "reconcile").await, 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_get_new_secrets_and_are_removed_by_name() {
    let env = Env::new(4306);
    let gateway = managed(&env).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    for action in ["catch-up", "rotate", "remove"] {
        check_refusals(&gateway, &format!("/ui/organizations/fabrikam/{action}")).await;
    }
    let sending = async |action: &str, more: &[(&str, &str)]| {
        let path = format!("/ui/organizations/fabrikam/{action}");
        let shown = page(&browser, &gateway, &path).await;
        let url = format!("{}{path}", gateway.url);
        let first = send(&browser, &url, &carried(&shown), more).await;
        let second = send(&browser, &url, &carried(&shown), more).await;
        assert_eq!(first.status, second.status);
        first
    };
    assert_eq!(sending("catch-up", &[]).await.status, StatusCode::OK);
    assert_eq!(done(&gateway, "catch_up").await, 1);
    assert_eq!(
        sending("rotate", &[("project", ""), ("at_once", "true")]).await.status,
        StatusCode::OK
    );
    assert_eq!(done(&gateway, "rotate").await, 1);
    // Another choice in a form that was shown before is another action.
    let path = "/ui/organizations/fabrikam/rotate";
    let (shown, url) = (page(&browser, &gateway, path).await, format!("{}{path}", gateway.url));
    for choice in [("at_once", "true"), ("project", "")] {
        let sent = send(&browser, &url, &carried(&shown), &[choice]).await;
        assert_eq!(sent.status, StatusCode::OK, "{}", sent.text);
    }
    assert_eq!(done(&gateway, "rotate").await, 3);
    let wrong = sending("remove", &[("name", "Fabricam")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{}", wrong.text);
    assert_eq!(sending("remove", &[("name", "fabrikam")]).await.status, StatusCode::OK);
    assert_eq!(done(&gateway, "remove").await, 1);
    let gone = |shown: &Value| shown["items"].as_array().is_some_and(Vec::is_empty);
    gateway.api.until("/v1/subscriptions", gone).await;
    let again = page(&browser, &gateway, "/ui/organizations/fabrikam/remove").await;
    assert!(again.text.contains("were removed already"), "{}", again.text);
    let plan = page(&browser, &gateway, "/ui/subscriptions/plan").await;
    assert!(plan.text.contains("The hooks were removed"), "{}", plan.text);
    // What applying it would do, although the next pass by itself makes none.
    assert!(plan.text.contains("Apply 4 steps<"), "{}", plan.text);
    let by_itself = gateway.api.get("/v1/organizations/fabrikam/plan").await;
    assert_eq!(by_itself["items"].as_array().unwrap().len(), 0, "{by_itself}");
    for unknown in ["contoso", "x%2F..%2Fy"] {
        let url = format!("{}/ui/organizations/{unknown}/rotate", gateway.url);
        assert_eq!(browser.open(&url, None).await.status, StatusCode::NOT_FOUND);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_follows_from_what_happened_until_a_check_is_green() {
    let env = Env::new(4307);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, "/ui").await;
    for words in ["Setting up", "fabrikam is configured", "open a pull request"] {
        assert!(shown.text.contains(words), "{words}: {}", shown.text);
    }
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let shown = page(&browser, &gateway, "/ui").await;
    assert!(shown.text.contains("<h1>Overview</h1>"), "{}", shown.text);
    // A page that was opened before is told to load the overview.
    let part = browser.open(&format!("{}/ui?part=setup", gateway.url), None).await;
    assert_eq!((part.status, part.text.as_str()), (StatusCode::RESET_CONTENT, ""));
    let shown = page(&browser, &gateway, "/ui/setup").await;
    assert_eq!(shown.text.matches(">done</span>").count(), 8, "{}", shown.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_and_cis_are_looked_at_when_somebody_asks() {
    let env = Env::new(4308);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    let shown = page(&browser, &gateway, "/ui/permissions").await;
    for words in ["Permissions in fabrikam", "GenericRead", "Contribute"] {
        assert!(shown.text.contains(words), "{words}: {}", shown.text);
    }
    let shown = page(&browser, &gateway, "/ui/ci/builder").await;
    assert!(shown.text.contains("No problem is known"), "{}", shown.text);
    page(&browser, &gateway, "/ui/ci/builder?look=now").await;
    let missing = browser.open(&format!("{}/ui/ci/nothing", gateway.url), None).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    gateway.stop().await;
}
