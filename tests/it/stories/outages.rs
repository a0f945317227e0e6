//! A database that is locked or full, or files that cannot be read: deliveries are answered 503 and
//! repeated by Azure DevOps, nothing is lost, and the gateway recovers without a restart.

use std::path::Path;
use std::process::Command;

use fakes::ado::{Answer, SubscriptionStatus};
use reqwest::{Method, StatusCode};

use crate::harness::{Binary, Env, POLL_INTERVAL, WAIT_MAX, compile_c, payloads};

async fn get(url: String) -> (StatusCode, String) {
    let answer = reqwest::Client::new().get(url).send().await;
    let answer = answer.unwrap_or_else(|error| panic!("the gateway answers: {error}"));
    (answer.status(), answer.text().await.unwrap_or_default())
}

/// Waits until so many deliveries were answered 503.
async fn until_refused(env: &Env, times: usize) {
    env.until("deliveries are answered 503", |ado, _| {
        let attempts = ado.all_notifications().flat_map(|one| &one.attempts);
        attempts.filter(|attempt| attempt.answer == Answer::Status(503)).count() >= times
    })
    .await;
}

fn log(gateway: &Binary) -> String {
    std::fs::read_to_string(gateway.settings.folder.join("gateway.log")).unwrap_or_default()
}

async fn until_unready(gateway: &Binary) {
    let asking = async {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        while get(format!("{}/readyz", gateway.url)).await.0 == StatusCode::OK {
            poll.tick().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, asking).await.expect("/readyz becomes 503");
}

async fn is_unready(gateway: &Binary, advice: &str) {
    let (status, body) = gateway.api.call(Method::GET, "/readyz", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body["reason"].as_str().is_some_and(|reason| reason.contains(advice)), "{body}");
    let (status, body) = get(format!("{}/readyz", gateway.url)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, r#"{"status":"unready"}"#, "the reason names a path, which is for viewers");
    let log = log(gateway);
    assert!(log.lines().any(|line| line.contains("503") && line.contains(advice)), "{log}");
    let (alive, _) = get(format!("{}/livez", gateway.url)).await;
    assert_eq!(alive, StatusCode::OK);
}

/// Waits until everything is decided and posted, and checks that nothing was lost.
async fn until_recovered(env: &Env, gateway: &Binary, id: u64, commit: &str) {
    env.until_status(id, commit, "unit-tests", "succeeded").await;
    env.until_commit_status(commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    assert_eq!(gateway.api.get("/readyz").await["status"], "ready");
    // An operator may be paged for each line: there is one at the begin and one at the end.
    let log = log(gateway);
    for line in ["deliveries cannot be stored", "deliveries can be stored again"] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
    env.shell.ado(|ado| {
        assert!(ado.lost().is_empty());
        assert!(ado.subscriptions().all(|one| one.status == SubscriptionStatus::Enabled));
    });
    env.check_invariants();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_locked_deliveries_are_refused_and_nothing_is_lost() {
    let env = Env::new(901);
    env.shell.ado(|ado| ado.options.time_scale = 10);
    let gateway = Binary::start(&env).await;
    let blocker = rusqlite::Connection::open(gateway.settings.database()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    // A delivery that arrives before the lock is noticed is stored.
    let (id, commit) = env.open("topic");
    env.until_delivered().await;
    until_unready(&gateway).await;
    is_unready(&gateway, "locked by another process").await;
    let (other, its_commit) = env.open("other");
    until_refused(&env, 2).await;
    let payload = payloads::other("git.push").to_string();
    let answer = reqwest::Client::new()
        .post(format!("{}/hooks/azure-devops/fabrikam/git-push", gateway.url))
        .basic_auth("azure-devops", Some(env.password("git-push")))
        .body(payload)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(answer.bytes().await.unwrap().is_empty());
    blocker.execute_batch("ROLLBACK").unwrap();
    env.until_status(other, &its_commit, "unit-tests", "succeeded").await;
    until_recovered(&env, &gateway, id, &commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_refused_while_it_cannot_be_stored() {
    let env = Env::new(902);
    env.disable_ci_reports();
    let gateway = Binary::start(&env).await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    let blocker = rusqlite::Connection::open(gateway.settings.database()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    env.report(&run, "succeeded");
    env.until("the report is answered 503", |_, ci| {
        ci.answers().iter().any(|answered| answered.status == Some(503))
    })
    .await;
    let detail = env.shell.ci(|ci| ci.answers()[0].body["detail"].clone());
    assert!(detail.as_str().unwrap().starts_with("try again"), "{detail}");
    blocker.execute_batch("ROLLBACK").unwrap();
    until_recovered(&env, &gateway, id, &commit).await;
}

/// A small file system, unmounted at the end of the test.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// Mounts it. None where `AZDO_GATEWAY_WITHOUT_MOUNT` is set, for machines on which mounting is
    /// not permitted.
    fn mount(path: &'a Path, size: &str) -> Option<Self> {
        if std::env::var_os("AZDO_GATEWAY_WITHOUT_MOUNT").is_some() {
            return None;
        }
        std::fs::create_dir_all(path).expect("the folder is writable");
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(path)
            .output()
            .is_ok_and(|output| output.status.success());
        assert!(
            mounted,
            "no tmpfs can be mounted: run the tests as root, or set AZDO_GATEWAY_WITHOUT_MOUNT=1 \
             to leave out the test of a full disk"
        );
        Some(Self(path))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("ballast")).unwrap();
        while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|written| written > 0) {}
    }

    fn clear(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_is_full_deliveries_are_refused_and_nothing_is_lost() {
    let env = Env::new(903);
    env.shell.ado(|ado| ado.options.time_scale = 10);
    let folder = env.settings("127.0.0.1:1").folder.join("disk");
    let Some(disk) = Disk::mount(&folder, "2m") else {
        println!("not tested: a full disk, since AZDO_GATEWAY_WITHOUT_MOUNT is set");
        return;
    };
    let gateway = Binary::start_with(&env, |settings| {
        settings.database = "disk/gateway.db".into();
    })
    .await;
    disk.fill();
    // Space that the database has allocated still takes some payloads. They are small and cannot be
    // compressed, so that when one does not fit, no delivery does.
    let mut noise = 1_u64;
    let mut byte = || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.to_be_bytes()[0]
    };
    let mut answer = StatusCode::ACCEPTED;
    while answer == StatusCode::ACCEPTED {
        let payload: Vec<u8> = (0..10_000).map(|_| byte()).collect();
        answer = env.deliver(&gateway.url, "by-hand", payload).await;
    }
    assert_eq!(answer, StatusCode::SERVICE_UNAVAILABLE);
    let (id, commit) = env.open("topic");
    until_refused(&env, 6).await;
    is_unready(&gateway, "is full: free some space").await;
    disk.clear();
    until_recovered(&env, &gateway, id, &commit).await;
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_stored_deliveries_cannot_be_read_further_ones_are_refused_and_nothing_is_lost() {
    let env = Env::new(904);
    env.shell.ado(|ado| ado.options.time_scale = 10);
    let folder = env.settings("127.0.0.1:1").folder;
    let read_errors = compile_c("read_errors.c", &folder, &["-shared", "-fPIC", "-ldl"]);
    let flag = folder.join("read-errors");
    let gateway = Binary::start_with(&env, |settings| {
        for (name, path) in [("LD_PRELOAD", &read_errors), ("READ_ERRORS_WHILE", &flag)] {
            settings.environment.insert(name.into(), path.display().to_string());
        }
    })
    .await;
    std::fs::write(&flag, "").unwrap();
    // A delivery that arrives before anything is read is stored.
    let (id, commit) = env.open("topic");
    until_unready(&gateway).await;
    is_unready(&gateway, "cannot be read").await;
    let (other, its_commit) = env.open("other");
    until_refused(&env, 2).await;
    std::fs::remove_file(&flag).unwrap();
    env.until_status(other, &its_commit, "unit-tests", "succeeded").await;
    until_recovered(&env, &gateway, id, &commit).await;
}
