//! Kind `http`: what each key does with the answers that a CI may give.

/// Which callbacks are believed.
mod callbacks;
/// Tokens and logins.
mod secrets;

use std::io;
use std::path::Path;

use azdo_gateway::ci::Cancelled;
use azdo_gateway::config::{Environment, parse};
use azdo_gateway::domain::run::Reported;
use fakes::systems::woodpecker;
use serde_json::{Value, json};

use super::*;
use crate::harness::WAIT_MAX;

const ROOT_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TOKEN: &str = "token-of-the-gateway-0123456789";
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Every variable that does not have a name of its own here has the token.
struct Variables<'a>(&'a [(&'a str, &'a str)]);

impl Environment for Variables<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let own = self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let usual = match name {
            "ROOT_KEY" => ROOT_KEY,
            "SIGNING" => SIGNING,
            _ => TOKEN,
        };
        Some(own.unwrap_or(usual).to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}

/// The section `[ci.builder]` with these keys, in which URL stands for the address of the fake.
pub(super) fn kind(keys: &str, url: &str, variables: &[(&str, &str)]) -> Arc<dyn Kind> {
    let text = format!(
        "[server]\npublic_url = \"https://gateway.example.com\"\n[secrets]\n\
         root_key = {{ env = \"ROOT_KEY\" }}\n[ci.builder]\nkind = \"http\"\n{}",
        keys.replace("URL", url)
    );
    let config = parse("gateway.toml", &text, &Variables(variables));
    let config = config.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    Arc::clone(&config.ci[NAME].kind)
}

/// A CI that answers what a test says.
fn adapter(keys: &str) -> Adapter {
    Adapter::new(woodpecker::World::new(9), |_, url| kind(keys, url, &[]))
}

/// What the CI answers to such requests from now on.
fn answer(adapter: &Adapter, method: &str, path: &str, answer: Response) {
    let rule = Rule::new(method, path, Action::Respond(answer));
    adapter.system(|system| system.faults().add(rule));
}

fn answer_json(adapter: &Adapter, method: &str, path: &str, body: &Value) {
    answer(adapter, method, path, Response::json(200, body));
}

fn at_ci(adapter: &Adapter, id: &str) -> Run {
    Run { ci_id: Some(id.to_owned()), ..adapter.run(OUR_ID) }
}

const START: &str = "[ci.builder.start]\nurl = \"URL/start\"\njson = { run = \"{{ run }}\" }\n";
/// The same, for a poll that needs the id of the run.
const STARTED: &str = "[ci.builder.start]\nurl = \"URL/start\"\n\
                       json = { run = \"{{ run }}\" }\nid = \"/id\"\n";
const POLL: &str = "[ci.builder.poll]\nurl = \"URL/runs/{{ id }}\"\n";
const RULES: &str = "rules = [{ when = { \"/state\" = \"done\" }, is = \"succeeded\" }, \
                     { is = \"running\" }]\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_status_of_a_start_means_what_the_call_says() {
    let keys = format!(
        "{START}id = \"/id\"\nok = [200, 202]\nexists = [409]\nrefused = [204]\nretry = [418]\n\
         error = [\"/why\"]\n{POLL}{RULES}"
    );
    let named = json!({ "id": 7 });
    let why = json!({ "why": "no such branch", "message": "another text" });
    for (status, body, expected) in [
        (202, &named, "accepted 7"),
        (409, &named, "accepted 7"),
        (204, &Value::Null, "refused it answers 204 No Content"),
        (418, &why, "unavailable no such branch (418)"),
        (400, &why, "refused no such branch (400)"),
        (401, &why, "refused no such branch (401)"),
        (404, &why, "refused no such branch (404)"),
        (302, &why, "refused it redirects (302): write the address that it really has"),
        (408, &why, "unavailable no such branch (408)"),
        (425, &why, "unavailable no such branch (425)"),
        (429, &why, "unavailable no such branch (429)"),
        (500, &why, "unavailable no such branch (500)"),
        (503, &why, "ambiguous no such branch (503)"),
        // It is none of `ok`, and may have been done.
        (201, &named, "ambiguous it answers 201 Created"),
    ] {
        let adapter = adapter(&keys);
        let location = format!("{}/elsewhere", adapter.shell.url());
        let response = Response::json(status, body).with_header("location", &location);
        answer(&adapter, "POST", "/start", response);
        let outcome = match adapter.start(&adapter.run(OUR_ID)).await {
            Ok(Started::Accepted { ci_id, .. }) => format!("accepted {}", ci_id.unwrap()),
            Ok(Started::Refused(why)) => format!("refused {why}"),
            Err(Error::Unavailable { reason, .. }) => format!("unavailable {reason}"),
            Err(Error::Ambiguous { reason, .. }) => format!("ambiguous {reason}"),
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!(outcome, expected, "{status}");
        assert_eq!(adapter.requests(), 1, "{status}: no redirect is followed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_have_a_time_of_its_own() {
    let slow = format!(
        "{STARTED}{POLL}timeout = \"3s\"\n{RULES}[ci.builder.find]\n\
                        url = \"URL/list\"\nid = \"/id\"\n"
    );
    let adapter = adapter(&slow);
    let hold = || Action::Hold { before: true };
    adapter.system(|system| system.faults().add(Rule::new("GET", "/", hold())));
    let run = at_ci(&adapter, "5");
    let first = tokio::time::timeout(WAIT_MAX, async {
        // The look-up may take 15 s, as every call.
        tokio::select! {
            polled = adapter.poll(&run) => polled.map(|_| ()),
            found = adapter.find(&run) => panic!("it ended sooner: {found:?}"),
        }
    });
    let error = first.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no answer in time"), "{error}");
    adapter.shell.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_long_is_no_answer() {
    let adapter = adapter(&format!("{STARTED}{POLL}{RULES}"));
    let long = json!({ "text": "x".repeat(1024 * 1024), "state": "done" });
    answer_json(&adapter, "GET", "/runs/", &long);
    let answer = adapter.poll(&at_ci(&adapter, "5")).await;
    assert!(matches!(answer, Err(Error::Ambiguous { .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_in_the_answer_in_a_header_behind_another_request_or_chosen() {
    let started = async |keys: &str, first: Response| {
        let adapter = adapter(&format!("{START}{keys}{POLL}{RULES}"));
        answer(&adapter, "POST", "/start", first);
        answer_json(&adapter, "GET", "set=3", &json!({ "items": [{ "id": 9 }] }));
        let started = adapter.start(&adapter.run(OUR_ID)).await;
        let Ok(Started::Accepted { ci_id, url }) = started else { panic!("{started:?}") };
        (ci_id, url)
    };
    let body = json!({ "a": [{ "id": "x-1" }], "page": "https://ci.example/x-1", "set": 3 });
    let answer = || Response::json(200, &body);
    let found = started("id = \"/a/0/id\"\nweb = \"/page\"\n", answer()).await;
    assert_eq!(found, (Some("x-1".into()), Some("https://ci.example/x-1".into())));
    // Of an address in a header nothing but the segment is believed.
    let elsewhere = answer().with_header("Location", "https://evil.example/queue/item/17/");
    let keys = "id = { header = \"Location\" }\n\
                web_url = { value = \"https://ci.example/{{ id }}\" }\n";
    let found = started(keys, elsewhere).await;
    assert_eq!(found, (Some("17".into()), Some("https://ci.example/17".into())));
    let keys = "then = { from = \"/set\", url = \"URL/list?set={{ value }}\", \
                id = \"/items/0/id\" }\n";
    assert_eq!(started(keys, answer()).await.0, Some("9".into()));
    let chosen = started("id = { value = \"{{ run | dns }}\" }\n", answer()).await;
    assert_eq!(chosen.0, Some(OUR_ID.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_judge_texts_lists_and_all_items() {
    let rules = "each = \"/items\"\ndescription = \"/words\"\nrules = [\n\
                 { when = { \"/cancelled\" = \"*\" }, is = \"cancelled\" },\n\
                 { when = { \"/words\" = \"Infrastructure *\" }, is = \"errored\" },\n\
                 { any = { \"/status\" = [\"running\", \"failing\", \"on_hold\"] }, \
                 is = \"running\" },\n\
                 { any = { \"/status\" = \"failed\" }, is = \"failed\" },\n\
                 { all = { \"/status\" = \"success\" }, is = \"succeeded\" },\n\
                 { is = \"running\" } ]\n";
    let items = |words: &[&str]| {
        let items: Vec<_> = words.iter().map(|word| json!({ "status": word })).collect();
        json!({ "items": items })
    };
    for (body, state) in [
        (items(&[]), Reported::Running),
        (items(&["success", "on_hold"]), Reported::Running),
        (items(&["success", "failed"]), Reported::Failed),
        (items(&["failed", "failing"]), Reported::Running),
        (items(&["success", "success"]), Reported::Succeeded),
        (json!({ "cancelled": { "by": 1 }, "items": [] }), Reported::Cancelled),
        (json!({ "words": "Infrastructure is down" }), Reported::Errored),
    ] {
        let adapter = adapter(&format!("{STARTED}{POLL}{rules}"));
        answer_json(&adapter, "GET", "/runs/5", &body);
        let observed = adapter.poll(&at_ci(&adapter, "5")).await.unwrap();
        assert_eq!(observed.state, state, "{body}");
        assert_eq!(observed.description.as_deref(), body["words"].as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_is_cancelled_and_what_has_ended_is_fine() {
    let keys = format!(
        "{STARTED}{POLL}{RULES}[[ci.builder.cancel]]\nurl = \"URL/queue/{{{{ id }}}}\"\n\
         method = \"POST\"\ngone = [400]\n[[ci.builder.cancel]]\nmethod = \"DELETE\"\n\
         url = \"URL/builds/{{{{ value }}}}\"\nrefused = [409]\n\
         for_each = {{ url = \"URL/list/{{{{ id }}}}\", items = \"/items\", value = \"/id\" }}\n"
    );
    let adapter = adapter(&keys);
    answer_json(&adapter, "GET", "/runs/5", &json!({ "state": "running" }));
    let items = json!({ "items": [{ "id": 1 }, { "id": "b/2" }, {}] });
    answer_json(&adapter, "GET", "/list/5", &items);
    answer(&adapter, "POST", "/queue/5", Response::text(400, "it is not queued"));
    answer(&adapter, "DELETE", "/builds/1", Response::empty(204));
    answer(&adapter, "DELETE", "/builds/b%2F2", Response::empty(404));
    let run = at_ci(&adapter, "5");
    assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
    let count = |part: &str| adapter.system(|system| system.journal().count("DELETE", part));
    assert_eq!((count("/builds/1"), count("/builds/b%2F2"), count("/")), (1, 1, 2));
    // A cancel that the CI refuses with a reason is an error that names the reason, since the run
    // goes on.
    adapter.system(|system| system.faults().clear());
    answer_json(&adapter, "GET", "/runs/5", &json!({ "state": "running" }));
    answer_json(&adapter, "GET", "/list/5", &items);
    answer(&adapter, "POST", "/queue/5", Response::empty(204));
    answer(&adapter, "DELETE", "/builds/", Response::text(409, "builds are locked"));
    let refused = adapter.systems.cancel(NAME, &run).await.unwrap_err();
    assert!(refused.to_string().contains("builds are locked (409)"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_ended_is_not_told_to_cancel() {
    let cancel = "[ci.builder.cancel]\nmethod = \"DELETE\"\n";
    let adapter = adapter(&format!("{STARTED}{POLL}{RULES}{cancel}"));
    answer_json(&adapter, "GET", "/runs/5", &json!({ "state": "done" }));
    let done = adapter.systems.cancel(NAME, &at_ci(&adapter, "5")).await;
    assert_eq!((done, adapter.requests()), (Ok(Cancelled::Done), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_lockout_holds_whatever_the_answer_says() {
    let adapter = adapter(&format!("on_429 = \"300s\"\n{STARTED}{POLL}{RULES}"));
    let busy = Response::text(429, "slow down").with_header("retry-after", "1");
    answer(&adapter, "GET", "/runs/", busy);
    let run = at_ci(&adapter, "5");
    let before = adapter.clock.now();
    let answer = adapter.poll(&run).await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    let Err(Error::Paused { until, .. }) = adapter.poll(&run).await else { panic!("it is asked") };
    assert!(until.since(before) >= Duration::from_secs(300));
    adapter.assert_paused(&run).await;
}
