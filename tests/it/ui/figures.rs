//! Times and numbers of the overview and of connections: of the last hour, and what is usual.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use azdo_gateway::clock::Clock;
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::series::minute;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{Admin, MinuteRow, Monitoring};
use fakes::faults::{Rule, budget_left};
use serde_json::Value;

use super::{page, signed_in};
use crate::harness::{Env, Gateway, ROOT_KEY, Settings, VIEWER, WAIT_MAX, check};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads the series that a gateway has stored when it stopped, and stores further minutes.
async fn stored(database: &Path, series: &[&str], more: Vec<MinuteRow>) -> Vec<MinuteRow> {
    let store = Sqlite::open(database, read_envelope).expect("no gateway uses it");
    let series = series.iter().map(|name| (*name).to_owned()).collect();
    let found = store.minutes(series, Timestamp::ZERO).await.expect("it reads");
    store.add_minutes("another".to_owned(), more, Timestamp::ZERO).await.expect("it writes");
    store.close(WAIT_MAX).await;
    found
}

/// A value of a minute that is over, so many days ago.
fn row(series: &str, days: u32, value: i64) -> MinuteRow {
    let at = minute(Clock::system().now()).minus(MINUTE * 30).minus(DAY * days);
    MinuteRow { at, series: series.to_owned(), value }
}

fn count(list: &Value) -> usize {
    list["items"].as_array().expect("a list has items").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_says_since_when_the_oldest_run_waits_and_what_is_usual() {
    let env = Env::new(4209);
    let mut database = PathBuf::new();
    let one_place = |settings: &mut Settings| {
        settings.checks = check("build", "concurrency = 1");
    };
    let gateway = Gateway::start_with(&env, |settings| {
        one_place(settings);
        database = settings.folder.join(&settings.database);
    })
    .await;
    let (id, commit) = env.open("one");
    env.until_status(id, &commit, "build", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, "/ui").await;
    for unknown in ["<small>oldest <time", "Azure DevOps told us", "usually"] {
        assert!(!shown.text.contains(unknown), "{unknown}: {}", shown.text);
    }
    env.disable_ci_reports();
    let (_, commit) = env.open("two");
    env.until_started("build", &commit).await;
    gateway.api.until("/v1/runs?state=dispatched", |list| count(list) == 1).await;
    env.open("three");
    let planned = gateway.api.until("/v1/runs?state=planned", |list| count(list) == 1).await;
    let at = planned["items"][0]["created_at"].as_str().expect("a run has it");
    let waits = format!("<span>Wait for their CI</span></a> <small>oldest <time datetime=\"{at}\"");
    // Waiting rows are counted once a second.
    let part = format!("{}/ui?part=late", gateway.url);
    let begun = Instant::now();
    loop {
        let shown = browser.open(&part, None).await.text;
        if shown.contains(&waits) {
            break;
        }
        assert!(begun.elapsed() < WAIT_MAX, "no {waits}: {shown}");
    }
    gateway.stop().await;
    let more = vec![
        row("started", 0, 2),
        row("started", 1, 9),
        row("started", 7, 5),
        row("started", 8, 1),
        row("delivered.p50", 0, 1_200_000),
        row("delivered.p95", 0, 4_000_000),
        row("delivered.p50", 2, 900_000),
    ];
    let delivered = stored(&database, &["delivered", "delivered.p50", "delivered.p95"], more).await;
    assert!(
        delivered.iter().any(|row| row.series == "delivered" && row.value >= 1),
        "{delivered:?}"
    );
    let gateway = Gateway::without_hooks(&env, one_place).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, "/ui").await.text;
    for text in [
        "<b>2</b> in the last hour (usually 9), at most 2 a minute",
        "<h3>Azure DevOps told us</h3>",
        "<p>after <b>1.2 s</b> (usually 900 ms)</p>",
        "4.0 s in the slowest minute (p95)",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_say_how_many_tokens_there_were_and_which_hooks_use_the_previous_key() {
    let env = Env::new(4210);
    let mut database = PathBuf::new();
    let managed = |settings: &mut Settings| {
        settings.credential = env.service_user("");
        settings.organization = "reconcile = \"1d\"\ncatch_up = \"off\"".to_owned();
        database = settings.folder.join(&settings.database);
    };
    let gateway = Gateway::without_hooks(&env, managed).await;
    env.link(&gateway.url).await;
    gateway.api.until("/v1/subscriptions", |list| count(list) == 4).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, "/ui/connections").await;
    for unknown in ["Tokens in the last hour", "Previous root key"] {
        assert!(!shown.text.contains(unknown), "{}", shown.text);
    }
    gateway.stop().await;
    let series = ["minted/fabrikam", "revoked/fabrikam"];
    let more = vec![row(series[0], 0, 412), row(series[1], 0, 411), row(series[0], 1, 7)];
    let counted = stored(&database, &series, more).await;
    for name in series {
        assert!(counted.iter().any(|row| row.series == name && row.value > 0), "{counted:?}");
    }
    // Nobody makes new hooks.
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.credential = env.service_user("");
        rotated(settings);
    })
    .await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, "/ui/connections").await;
    assert!(shown.text.contains("4 hooks use it"), "{}", shown.text);
    assert!(shown.text.contains("Tokens in the last hour"), "{}", shown.text);
    let minted = shown.text.split_once(" minted, ").expect("it is shown").0;
    let minted = minted.rsplit(|letter: char| !letter.is_ascii_digit()).next();
    let minted: i64 = minted.and_then(|digits| digits.parse().ok()).expect("a number is shown");
    // The minutes of the first gateway count once they are over.
    let first = counted.iter().filter(|row| row.series == series[0]).map(|row| row.value);
    assert!((412..=412 + first.sum::<i64>()).contains(&minted), "{minted}");
    gateway.stop().await;
}

/// The usual key is the previous one.
fn rotated(settings: &mut Settings) {
    settings.secrets = r#"previous_root_key = { env = "PREVIOUS_ROOT_KEY" }"#.into();
    settings.environment.insert("PREVIOUS_ROOT_KEY".into(), ROOT_KEY.into());
    let new = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    settings.environment.insert("ROOT_KEY".into(), new.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_say_when_no_hook_holds_the_previous_key() {
    let env = Env::new(4211);
    let gateway = Gateway::without_hooks(&env, rotated).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, "/ui/connections").await;
    assert!(shown.text.contains("no hook uses it"), "{}", shown.text);
    assert!(!shown.text.contains("Tokens in the last hour"), "{}", shown.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_say_what_azure_devops_has_told_of_the_rate_limit() {
    let env = Env::new(4212);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, "/ui/connections").await;
    assert!(shown.text.contains("Azure DevOps has not said lately"), "{}", shown.text);
    env.shell.ado(|ado| {
        let reset_s = ado.now_ms() / 1_000 + 60;
        ado.faults.add(Rule::new("POST", "/statuses", budget_left(200, 140, reset_s)));
    });
    let commit = env.push("main");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    let shown = page(&browser, &gateway, "/ui/connections").await;
    assert!(shown.text.contains("140 TSTU, 70 %"), "{}", shown.text);
    gateway.stop().await;
}
