//! Linking the service user: who may, which account, and every sign-in that is refused.

use fakes::entra::Forgery;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Api, Binary, Browser, Env, Gateway, OPERATOR, SERVICE_USER, Settings, VIEWER,
};

fn connect(gateway: &Gateway) -> String {
    format!("{}/connect/fabrikam", gateway.url)
}

async fn linked_user(gateway: &Gateway) -> Value {
    let path = "/v1/organizations/fabrikam/link";
    let (status, answer) = gateway.api.post(path, None).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    answer["linked"]["user_name"].clone()
}

/// Checks that nobody is linked and that the audit log has this many refusals.
async fn check_refused(gateway: &Gateway, count: usize) {
    assert_eq!(linked_user(gateway).await, Value::Null);
    let entries = gateway.api.items("/v1/audit?action=link&outcome=refused").await;
    assert_eq!(entries.len(), count, "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn an_operator_links_the_service_user_and_sees_who_it_is() {
    let env = Env::new(1501);
    let gateway = env.unlinked(|_| {}).await;
    assert_eq!(linked_user(&gateway).await, Value::Null);
    env.register(&gateway.url);
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    assert_eq!(back.path(), "/complete/azure_active_directory_service_user");
    let shown = browser.open(back.as_str(), None).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert!(shown.text.contains(SERVICE_USER), "{}", shown.text);
    assert!(shown.text.contains("href=\"/ui\">Overview</a>"), "{}", shown.text);
    assert_eq!(shown.headers["cache-control"], "no-store");
    assert_eq!(linked_user(&gateway).await, SERVICE_USER);
    let entries = gateway.api.items("/v1/audit?action=link&organization=fabrikam").await;
    assert_eq!(entries[0]["outcome"], "done");
    assert_eq!(entries[0]["identity"], SERVICE_USER);
    assert_eq!(entries[0]["actor"], "ops");
    assert_eq!(entries[0]["via"], "api_token");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn hooks_are_created_as_soon_as_an_account_is_linked() {
    let env = Env::new(1549);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.credential = env.service_user("");
        "hooks = true\nreconcile = \"1h\"\ncatch_up = \"off\""
            .clone_into(&mut settings.organization);
    })
    .await;
    let has_failed = |outcomes: &Value| {
        let mut outcomes = outcomes["items"].as_array().expect("a list has items").iter();
        let is_it = |one: &&Value| one["reconciler"] == "subscriptions";
        outcomes.find(is_it).is_some_and(|one| one["problem"].is_string())
    };
    gateway.api.until("/v1/organizations/fabrikam/reconcile", has_failed).await;
    env.register(&gateway.url);
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    assert_eq!(browser.open(back.as_str(), None).await.status, StatusCode::OK);
    env.until_hooks(&gateway.url, 4).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_one_time_link_works_once_and_for_its_organization() {
    let env = Env::new(1502);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    let (status, answer) = gateway.api.post("/v1/organizations/fabrikam/link", None).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let url = answer["url"].as_str().expect("it is a link").to_owned();
    let browser = Browser::new();
    let back = browser.sign_in(&url, None).await;
    assert_eq!(browser.open(back.as_str(), None).await.status, StatusCode::OK);
    let linked = gateway.api.items("/v1/audit?action=link&outcome=done").await;
    assert_eq!((&linked[0]["actor"], &linked[0]["via"]), (&json!("ops"), &json!("one_time_link")));
    let again = Browser::new().open(&url, None).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.text.contains("azdo-gateway link fabrikam"), "{}", again.text);
    assert_eq!(linked_user(&gateway).await, SERVICE_USER);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_the_operator_role_is_refused_with_advice() {
    let env = Env::new(1503);
    let gateway = env.unlinked(|_| {}).await;
    for token in [None, Some(VIEWER), Some("an unknown token")] {
        let shown = Browser::new().open(&connect(&gateway), token).await;
        assert_eq!(shown.status, StatusCode::UNAUTHORIZED, "{token:?}");
        assert!(shown.text.contains("azdo-gateway link"), "{}", shown.text);
        let connections = "href=\"/ui/connections\">Connections</a>";
        assert!(shown.text.contains(connections), "{}", shown.text);
        assert_eq!(shown.location, None);
    }
    let viewer = Api::new(&gateway.url, VIEWER);
    let link = "/v1/organizations/fabrikam/link";
    assert_eq!(viewer.post(link, None).await.0, StatusCode::FORBIDDEN);
    assert_eq!(viewer.call(Method::DELETE, link, None).await.0, StatusCode::FORBIDDEN);
    let other = "/v1/organizations/contoso/link";
    assert_eq!(gateway.api.post(other, None).await.0, StatusCode::NOT_FOUND);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_sign_in_can_only_be_completed_in_the_browser_that_started_it() {
    let env = Env::new(1504);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    // Another browser with the same URL.
    let stolen = Browser::new().open(back.as_str(), None).await;
    assert_eq!(stolen.status, StatusCode::BAD_REQUEST, "{}", stolen.text);
    let other = back.as_str().replace("state=", "state=x");
    assert_eq!(browser.open(&other, None).await.status, StatusCode::BAD_REQUEST);
    check_refused(&gateway, 2).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_strangers_are_recorded_up_to_a_limit() {
    let env = Env::new(1513);
    let gateway = env.unlinked(|_| {}).await;
    let browser = Browser::new();
    // A sign-in of an operator goes on meanwhile.
    env.register(&gateway.url);
    let operator = Browser::new();
    let back = operator.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    for number in 0..50 {
        let ticket = format!("{}/connect/fabrikam?ticket=guess-{number}", gateway.url);
        assert_eq!(browser.open(&ticket, None).await.status, StatusCode::FORBIDDEN);
        let state = format!("/complete/azure_active_directory_service_user?state=guess-{number}");
        let shown = browser.open(&format!("{}{state}", gateway.url), None).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    }
    // Ten guesses of each kind.
    check_refused(&gateway, 20).await;
    // A guess displaces nothing that is about a sign-in that exists.
    let stolen = Browser::new().open(back.as_str(), None).await;
    assert_eq!(stolen.status, StatusCode::BAD_REQUEST, "{}", stolen.text);
    check_refused(&gateway, 21).await;
    assert_eq!(operator.open(back.as_str(), None).await.status, StatusCode::OK);
    assert_eq!(linked_user(&gateway).await, SERVICE_USER);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guess_is_looked_up_and_queues_no_write() {
    let env = Env::new(1515);
    let gateway = env.unlinked(|_| {}).await;
    // Uses the budget for what is recorded up.
    let guess = async |number: u32| {
        let browser = Browser::new();
        let ticket = format!("{}/connect/fabrikam?ticket=guess-{number}", gateway.url);
        let state = format!(
            "{}/complete/azure_active_directory_service_user?state=guess-{number}",
            gateway.url
        );
        [browser.open(&ticket, None).await.status, browser.open(&state, None).await.status]
    };
    let refused = [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST];
    for number in 0..10 {
        assert_eq!(guess(number).await, refused);
    }
    env.until_idle(&gateway.api).await;
    let blocker =
        rusqlite::Connection::open(env.settings("").database()).expect("others may open it");
    blocker.execute_batch("BEGIN IMMEDIATE").expect("no other connection writes");
    // A write would be answered 503 while another process holds the database.
    assert_eq!(guess(10).await, refused);
    blocker.execute_batch("ROLLBACK").expect("it began");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_redirect_that_is_replayed_is_refused() {
    let env = Env::new(1505);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    assert_eq!(browser.open(back.as_str(), None).await.status, StatusCode::OK);
    // The browser has a cookie again after it started another sign-in.
    browser.open(&connect(&gateway), Some(OPERATOR)).await;
    let replayed = browser.open(back.as_str(), None).await;
    assert_eq!(replayed.status, StatusCode::BAD_REQUEST);
    let entries = gateway.api.items("/v1/audit?action=link&outcome=refused").await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(linked_user(&gateway).await, SERVICE_USER, "the link stays");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_id_token_links_a_user() {
    let env = Env::new(1506);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    for (count, forgery) in (1..).zip(Forgery::ALL) {
        let browser = Browser::new();
        let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
        env.shell.entra(|entra| entra.forge_next_id_token(forgery));
        let shown = browser.open(back.as_str(), None).await;
        assert!(shown.status.is_client_error(), "{forgery:?}: {} {}", shown.status, shown.text);
        check_refused(&gateway, count).await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_another_sign_in_is_refused() {
    let env = Env::new(1507);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    let value = |url: &url::Url, name: &str| {
        url.query_pairs().find(|(key, _)| key == name).expect("it is there").1.into_owned()
    };
    let other = Browser::new().sign_in(&connect(&gateway), Some(OPERATOR)).await;
    let browser = Browser::new();
    let own = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    let mixed = own.as_str().replace(&value(&own, "code"), &value(&other, "code"));
    let shown = browser.open(&mixed, None).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST, "the verifier does not fit: {}", shown.text);
    check_refused(&gateway, 1).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_than_the_expected_user_is_refused_by_name() {
    let env = Env::new(1508);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    env.shell.entra(|entra| {
        entra.add_user("Jo Doe", "jo@fabrikam.example");
        entra.sign_out();
        entra.sign_in("jo@fabrikam.example");
    });
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    let shown = browser.open(back.as_str(), None).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    for words in ["jo@fabrikam.example", SERVICE_USER, "expected_user"] {
        assert!(shown.text.contains(words), "{words} is not in {}", shown.text);
    }
    check_refused(&gateway, 1).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_the_mail_address_of_the_expected_user_is_refused() {
    let env = Env::new(1515);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    env.shell.entra(|entra| {
        entra.add_user("Jo Doe", "jo@fabrikam.example");
        entra.set_email("jo@fabrikam.example", SERVICE_USER);
        entra.sign_out();
        entra.sign_in("jo@fabrikam.example");
    });
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    let shown = browser.open(back.as_str(), None).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{}", shown.text);
    assert!(shown.text.contains("jo@fabrikam.example"), "{}", shown.text);
    check_refused(&gateway, 1).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_with_the_name_of_the_linked_one_is_refused() {
    let env = Env::new(1516);
    let gateway = env.linked(|_| {}).await;
    // The account was deleted, and another one was given its name.
    let object_id = env.shell.entra(|entra| entra.add_user("CI Service", SERVICE_USER));
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    let shown = browser.open(back.as_str(), None).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{}", shown.text);
    for words in [SERVICE_USER, &object_id, "azdo-gateway link fabrikam --remove"] {
        assert!(shown.text.contains(words), "{words} is not in {}", shown.text);
    }
    let refused = gateway.api.items("/v1/audit?action=link&outcome=refused").await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(linked_user(&gateway).await, SERVICE_USER, "the link stays");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expected_user_may_be_an_object_id() {
    let env = Env::new(1517);
    let gateway = env
        .unlinked(|settings| {
            let name = format!("expected_user = \"{SERVICE_USER}\"");
            let id = format!("expected_user = \"{}\"", env.object_id);
            settings.credential = settings.credential.replace(&name, &id);
        })
        .await;
    env.link(&gateway.url).await;
    assert_eq!(linked_user(&gateway).await, SERVICE_USER);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_entra_is_explained() {
    let env = Env::new(1509);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    env.shell.entra(|entra| entra.set_consent(SERVICE_USER, fakes::entra::Consent::Declined));
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    let shown = browser.open(back.as_str(), None).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    assert!(shown.text.contains("AADSTS65004"), "{}", shown.text);
    check_refused(&gateway, 1).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redirect_uri_comes_from_the_configuration_not_from_the_request() {
    let env = Env::new(1514);
    let gateway = env.unlinked(|_| {}).await;
    let asked = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let answer = asked
        .build()
        .expect("it is set up")
        .get(format!("{}?redirect_uri=https://evil.example/complete", connect(&gateway)))
        .header(reqwest::header::HOST, "evil.example")
        .header("x-forwarded-host", "evil.example")
        .bearer_auth(OPERATOR)
        .send()
        .await
        .expect("the gateway answers");
    let location = answer.headers()["location"].to_str().expect("it is text").to_owned();
    assert!(location.starts_with(env.shell.url()), "{location}");
    assert!(!location.contains("evil"), "{location}");
    // Entra refuses a redirect URI that is not registered for the app.
    let shown = Browser::new().open(&location, None).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{}", shown.text);
    assert_eq!(shown.location, None);
    check_refused(&gateway, 0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_of_the_redirect_is_escaped_in_the_page() {
    let env = Env::new(1510);
    let gateway = env.unlinked(|_| {}).await;
    env.register(&gateway.url);
    let browser = Browser::new();
    let back = browser.sign_in(&connect(&gateway), Some(OPERATOR)).await;
    let state = back.query_pairs().find(|(key, _)| key == "state").expect("it is there").1;
    let script = "%3Cscript%3Ealert(1)%3C/script%3E";
    let url = format!(
        "{}{}?state={state}&error={script}&error_description={script}",
        gateway.url,
        back.path()
    );
    let shown = browser.open(&url, None).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    assert!(!shown.text.contains("<script"), "{}", shown.text);
    gateway.stop().await;
}

/// Whether the statuses of a result wait for a link, and no attempt to post them is under way: one
/// that fails at the very moment of linking waits for its next retry.
fn result_waits(statuses: &Value) -> bool {
    let waits = |status: &Value| {
        let reason = status["reason"].as_str().unwrap_or_default();
        status["state"] == "succeeded" && reason.contains("azdo-gateway link")
    };
    statuses["items"].as_array().is_some_and(|all| all.len() >= 2 && all.iter().all(waits))
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn statuses_wait_until_a_user_is_linked() {
    let env = Env::new(1511);
    let gateway = env.unlinked(|_| {}).await;
    let ready = gateway.api.until("/readyz", |body| body["problems"]["fabrikam"].is_string()).await;
    assert_eq!(ready["status"], "ready", "deliveries are accepted");
    let problem = ready["problems"]["fabrikam"].as_str().expect("it is text");
    assert!(problem.contains("azdo-gateway link fabrikam"), "{problem}");
    let (id, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    gateway.api.until("/v1/statuses?outcome=queued", result_waits).await;
    env.link(&gateway.url).await;
    // Linking makes the statuses due before their next retry.
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    gateway.api.until("/readyz", |ready| ready["problems"] == serde_json::json!({})).await;
    let is_over = |list: &Value| list["items"][0]["open_problems"] == serde_json::json!([]);
    gateway.api.until("/v1/organizations", is_over).await;
    gateway.stop().await;
    env.until_all_revoked().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_make_an_old_problem_a_new_one() {
    let env = Env::new(1519);
    let unlinked = |settings: &mut Settings| settings.credential = env.service_user("");
    let mut gateway = Binary::without_hooks(&env, unlinked).await;
    let is_open = |list: &Value| list["items"][0]["open_problems"][0]["kind"] == "link";
    let before = gateway.api.until("/v1/organizations", is_open).await;
    gateway.kill();
    gateway.restart().await;
    let after = gateway.api.until("/v1/organizations", is_open).await;
    let open = |list: &Value| list["items"][0]["open_problems"][0].clone();
    assert_eq!(open(&after), open(&before));
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn unlinking_revokes_all_pats_and_statuses_wait_for_the_next_link() {
    let env = Env::new(1512);
    let gateway = env.linked(|_| {}).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    // Another replica notices within a second; one that is told so itself, at once.
    for replica in gateway.each() {
        let link = "/v1/organizations/fabrikam/link";
        let (status, _) = replica.call(Method::DELETE, link, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "unlinking without a link is no error");
    }
    env.until_all_revoked().await;
    let minted = env.shell.ado(|ado| ado.pats().len());
    let (other, commit) = env.open("other");
    env.until_started("unit-tests", &commit).await;
    gateway.api.until("/readyz", |body| body["problems"]["fabrikam"].is_string()).await;
    gateway.api.until("/v1/statuses?outcome=queued", result_waits).await;
    assert_eq!(env.shell.ado(|ado| ado.pats().len()), minted, "no further PAT is minted");
    env.link(&gateway.url).await;
    env.until_status(other, &commit, "unit-tests", "succeeded").await;
    gateway.stop().await;
}
