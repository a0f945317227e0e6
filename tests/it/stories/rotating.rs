//! Secrets that are replaced: the old ones are accepted until they are removed.

use reqwest::StatusCode;

use crate::harness::{Env, Gateway, ROOT_KEY, payloads};

const NEW_ROOT_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn hooks_with_passwords_of_the_previous_root_key_still_deliver() {
    let env = Env::new(801);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.secrets = r#"previous_root_key = { env = "PREVIOUS_ROOT_KEY" }"#.into();
        settings.environment.insert("PREVIOUS_ROOT_KEY".into(), ROOT_KEY.into());
        settings.environment.insert("ROOT_KEY".into(), NEW_ROOT_KEY.into());
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_a_removed_root_key_is_refused() {
    let env = Env::new(802);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.environment.insert("ROOT_KEY".into(), NEW_ROOT_KEY.into());
    })
    .await;
    let payload = payloads::other("git.push").to_string();
    let answer = env.deliver(&gateway.url, "git-push", payload).await;
    assert_eq!(answer, StatusCode::UNAUTHORIZED);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_started_before_the_rotation_reports_after_it() {
    let env = Env::new(803);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    let address = gateway.url.replace("http://", "");
    gateway.stop().await;
    let listener = std::net::TcpListener::bind(&address).unwrap();
    let mut settings = env.settings(&address);
    settings.secrets = r#"previous_root_key = { env = "PREVIOUS_ROOT_KEY" }"#.into();
    settings.environment.insert("PREVIOUS_ROOT_KEY".into(), ROOT_KEY.into());
    settings.environment.insert("ROOT_KEY".into(), NEW_ROOT_KEY.into());
    let app = azdo_gateway::app::App::start_on(settings.config(), listener).await.unwrap();
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn while_a_ci_secret_is_replaced_a_ci_with_either_secret_is_started() {
    for (seed, known) in [(804, "FORMER"), (805, "BUILDER_SECRET")] {
        let env = Env::new(seed);
        let former = "whsec_b25lIG9sZCBzZWNyZXQgb2YgMzIgYnl0ZXMgISEhISE=";
        if known == "FORMER" {
            env.shell.ci(|ci| ci.set_secrets(&[former]));
        }
        let gateway = Gateway::start_with(&env, |settings| {
            settings.signing = r#"[{ env = "BUILDER_SECRET" }, { env = "FORMER" }]"#.into();
            settings.environment.insert("FORMER".into(), former.into());
        })
        .await;
        let (id, commit) = env.open("topic");
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
        env.check_invariants();
        gateway.stop().await;
    }
}
