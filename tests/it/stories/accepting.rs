//! Which deliveries are accepted: the secret of the hook decides, and bodies of answers are empty.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Env, Gateway, payloads};

async fn deliver(url: String, authorization: Option<String>, body: String) -> reqwest::Response {
    let mut request = reqwest::Client::new().post(url).body(body);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    request.send().await.unwrap_or_else(|error| panic!("the gateway answers: {error}"))
}

fn basic(scheme: &str, user: &str, password: &str) -> Option<String> {
    Some(format!("{scheme} {}", STANDARD.encode(format!("{user}:{password}"))))
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_wrong_secret_gets_401_and_an_empty_body() {
    let env = Env::new(601);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let hooks = format!("{}/hooks/azure-devops", gateway.url);
    let right = env.password("git-push");
    let of_another_hook = env.password("git-pullrequest-created");
    let refused = [
        ("fabrikam/git-push", None),
        ("fabrikam/git-push", basic("Basic", "azure-devops", "wrong")),
        ("fabrikam/git-push", basic("Basic", "azure-devops", "")),
        ("fabrikam/git-push", basic("Basic", "azure-devops", &of_another_hook)),
        ("fabrikam/git-push", basic("Basic", "somebody", &right)),
        ("fabrikam/git-push", basic("Bearer", "azure-devops", &right)),
        ("fabrikam/git-push", Some(format!("Basic {right}"))),
        ("fabrikam/git-push", Some("Basic".into())),
        ("fabrikam/git-push", Some("Basic ====".into())),
        ("contoso/git-push", basic("Basic", "azure-devops", &right)),
        ("contoso/git-push", basic("Basic", "azure-devops", &contoso(&env))),
    ];
    for (path, authorization) in refused {
        let shown = format!("{path} {authorization:?}");
        let payload = payloads::other("git.push").to_string();
        let answer = deliver(format!("{hooks}/{path}"), authorization, payload).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{shown}");
        assert!(answer.headers().contains_key("www-authenticate"), "{shown}");
        assert!(answer.bytes().await.unwrap().is_empty(), "{shown}");
    }
    assert!(gateway.api.items("/v1/deliveries").await.is_empty());
    gateway.stop().await;
}

/// The right password of an organization that is not configured.
fn contoso(env: &Env) -> String {
    env.keys.hook_password("contoso", "git-push").expose().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_secret_gets_202_and_an_empty_body() {
    let env = Env::new(602);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let hooks = format!("{}/hooks/azure-devops", gateway.url);
    let right = env.password("git-push");
    let accepted = [
        ("fabrikam/git-push", basic("Basic", "azure-devops", &right)),
        ("fabrikam/git-push", basic("basic", "azure-devops", &right)),
        ("Fabrikam/git-push", basic("BASIC", "azure-devops", &right)),
    ];
    for (path, authorization) in accepted {
        let payload = payloads::other("workitem.created").to_string();
        let answer = deliver(format!("{hooks}/{path}"), authorization, payload).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{path}");
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    let stored = gateway.api.items("/v1/deliveries").await;
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().all(|delivery| delivery["organization"] == "fabrikam"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_of_an_unknown_hook_with_its_own_secret_is_ignored() {
    let env = Env::new(603);
    let gateway = Gateway::start(&env).await;
    let payload = payloads::other("workitem.updated").to_string();
    let answer = env.deliver(&gateway.url, "made-by-hand", payload).await;
    assert_eq!(answer, StatusCode::ACCEPTED);
    env.until_decided(&gateway.api).await;
    let delivery = &gateway.api.items("/v1/deliveries").await[0];
    assert_eq!(
        (&delivery["outcome"], &delivery["hook"]),
        (&"ignored".into(), &"made-by-hand".into())
    );
    assert_eq!(delivery["event_type"], "workitem.updated");
    assert!(delivery["reason"].as_str().unwrap().contains("no check can be started"), "{delivery}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn the_same_notification_twice_is_one_delivery() {
    let env = Env::new(604);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let commit = env.push("main");
    let payload = payloads::push(&env, "main", &old, &commit, 7).to_string();
    for _ in 0..2 {
        env.deliver_again(&gateway.url, "git-push", payload.clone()).await;
    }
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    assert_eq!(gateway.api.items("/v1/deliveries").await.len(), 1);
    assert_eq!(env.starts(), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_gets_413_and_is_not_stored() {
    const LIMIT: usize = 2 * 1024 * 1024;
    let env = Env::new(605);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.server = "body_limit = \"2MiB\"".into();
    })
    .await;
    for size in [LIMIT + 1, 8 * LIMIT] {
        let answer = env.deliver(&gateway.url, "git-push", vec![b' '; size]).await;
        assert_eq!(answer, StatusCode::PAYLOAD_TOO_LARGE, "{size} bytes");
    }
    assert!(gateway.api.items("/v1/deliveries").await.is_empty());
    let answer = env.deliver(&gateway.url, "git-push", vec![b' '; LIMIT]).await;
    assert_eq!(answer, StatusCode::ACCEPTED);
    assert_eq!(gateway.api.items("/v1/deliveries").await[0]["body_bytes"], LIMIT);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_memory_budget_gets_503() {
    const LIMIT: usize = 2 * 1024 * 1024;
    let env = Env::new(606);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.server = "body_limit = \"2MiB\"\nmemory_limit = \"2MiB\"".into();
    })
    .await;
    let address = gateway.url.strip_prefix("http://").unwrap();
    let authorization = basic("Basic", "azure-devops", &env.password("git-push")).unwrap();
    let head = format!(
        "POST /hooks/azure-devops/fabrikam/git-push HTTP/1.1\r\nhost: {address}\r\n\
         authorization: {authorization}\r\ncontent-length: {}\r\n\r\n",
        LIMIT / 2 + 2
    );
    let mut slowly = TcpStream::connect(address).await.unwrap();
    slowly.write_all(head.as_bytes()).await.unwrap();
    slowly.write_all(&vec![b' '; LIMIT / 2 + 1]).await.unwrap();
    // Until the first half has arrived the budget allows another large body.
    let large = || env.deliver(&gateway.url, "git-push", vec![b' '; LIMIT / 2]);
    while large().await != StatusCode::SERVICE_UNAVAILABLE {}
    // The budget allows small bodies, as soon as the last large one is stored.
    let small = || env.deliver(&gateway.url, "git-push", vec![b' '; 100]);
    while small().await != StatusCode::ACCEPTED {}
    slowly.write_all(b" ").await.unwrap();
    let mut answer = [0; 12];
    slowly.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202");
    assert_eq!(large().await, StatusCode::ACCEPTED);
    gateway.stop().await;
}
