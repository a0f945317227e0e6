//! `--watch`: a list is printed again when something in it has changed, also after the gateway was
//! away.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::call::{ask, run};
use super::terminal::{on_terminal, until_shown};
use crate::harness::{Binary, Env, Settings, binary_path, free_port};

/// A command that watches, with both its outputs in pipes. It is killed with the test.
struct Watching {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Watching {
    fn start(settings: &Settings, list: &[&str]) -> Self {
        let mut child = Command::new(binary_path())
            .arg("--config")
            .arg(settings.write())
            .args(list)
            .arg("--watch")
            .env_clear()
            .envs(settings.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let err = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        Self { child, out, err }
    }

    /// Reads until a line with these words; returns the lines up to it.
    fn until(&mut self, words: &str) -> Vec<String> {
        let found = until(&mut self.out, words);
        found.unwrap_or_else(|seen| {
            let said: Vec<_> = self.err.by_ref().map_while(Result::ok).collect();
            panic!("{words:?} is not in {seen:#?}; it said {said:#?}")
        })
    }

    /// Reads until it has said this on standard error.
    fn until_said(&mut self, words: &str) {
        let said = until(&mut self.err, words);
        said.unwrap_or_else(|seen| panic!("it did not say {words:?} but {seen:#?}"));
    }

    /// Presses Ctrl-C. Returns everything else that it prints.
    fn interrupt(mut self) -> Vec<String> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().expect("kill is there");
        assert!(sent.success(), "it has ended already");
        let rest = self.out.by_ref().map(|line| line.expect("it is text")).collect();
        assert_eq!(self.child.wait().expect("it is a child of this process").code(), Some(0));
        let said = self.err.by_ref().map(|line| line.expect("it is text"));
        assert_eq!(said.collect::<Vec<_>>(), [""; 0], "it says nothing more");
        rest
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines up to one with these words; where the command ends before, all of them.
fn until(lines: &mut Lines<impl BufRead>, words: &str) -> Result<Vec<String>, Vec<String>> {
    let mut seen = Vec::new();
    for line in lines {
        seen.push(line.expect("it is text"));
        if seen.last().is_some_and(|line| line.contains(words)) {
            return Ok(seen);
        }
    }
    Err(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_each_new_and_changed_row_once() {
    let env = Env::new(5301);
    let gateway = Binary::start(&env).await;
    let mut watching = Watching::start(&gateway.settings, &["runs", "list"]);
    let head = watching.until("REASON");
    assert_eq!(head.len(), 1, "the head comes first, also of an empty list");
    let (_, first) = env.open("first");
    let rows = watching.until("succeeded");
    let (_, second) = env.open("second");
    let more = watching.until("succeeded");
    let rest = watching.interrupt();
    let all = [rows, more, rest].concat();
    for commit in [&first, &second] {
        let of: Vec<&String> = all.iter().filter(|row| row.contains(&commit[..8])).collect();
        assert!(of.last().is_some_and(|row| row.contains("succeeded")), "{all:#?}");
        assert!(of.windows(2).all(|two| two[0] != two[1]), "{all:#?}");
    }
    assert!(!all.iter().any(|row| row.contains("REASON") || row.contains('\x1b')), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_each_item_as_a_line_of_json() {
    let env = Env::new(5302);
    let gateway = Binary::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let list = ["deliveries", "list", "--outcome", "started", "--json"];
    let mut watching = Watching::start(&gateway.settings, &list);
    let first = watching.until("started");
    let (_, next) = env.open("other");
    let second = watching.until(&next[..8]);
    for line in first.iter().chain(&second) {
        let item: Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(item["outcome"], "started");
    }
    assert_eq!((first.len(), second.len()), (1, 1), "{first:#?} {second:#?}");
    watching.interrupt();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_when_the_gateway_is_back() {
    let env = Env::new(5303);
    let mut gateway = Binary::start(&env).await;
    let mut watching = Watching::start(&gateway.settings, &["deliveries", "list"]);
    watching.until("REASON");
    env.open("first");
    watching.until("git.pullrequest.created");
    gateway.kill();
    watching.until_said("trying again");
    gateway.restart().await;
    watching.until_said("the gateway answers again");
    env.open("second");
    let rows = watching.until("git.pullrequest.created");
    assert!(rows.iter().all(|row| !row.contains("REASON")), "{rows:#?}");
    watching.interrupt();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_it_prints_what_is_stored_and_waits_for_one() {
    let env = Env::new(5304);
    let mut gateway = Binary::start(&env).await;
    env.open("first");
    env.until_delivered().await;
    env.until_decided(&gateway.api).await;
    gateway.terminate();
    gateway.wait();
    // The file of the gateway is written anew when it starts again, and this command reads it.
    let settings = Settings { name: "watching".to_owned(), ..gateway.settings.clone() };
    let mut watching = Watching::start(&settings, &["deliveries", "list"]);
    watching.until("git.pullrequest.created");
    watching.until_said("no gateway runs here: waiting for one");
    // It does not hold the database, which has one owner.
    gateway.restart().await;
    env.open("second");
    watching.until("git.pullrequest.created");
    watching.interrupt();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_it() {
    let env = Env::new(5305);
    let gateway = Binary::without_hooks(&env, |_| {}).await;
    let settings = &gateway.settings;
    ask(settings, &["runs", "list", "--state", "bad", "--watch"]).refused(1, &["state"]);
    ask(settings, &["runs", "list", "--watch", "--cursor", "MQ"]).refused(2, &["--cursor"]);
    let mut unknown = settings.clone();
    unknown.environment.insert("AZDO_GATEWAY_TOKEN".to_owned(), "nobody".to_owned());
    for list in ["deliveries", "runs", "hooks"] {
        ask(&unknown, &[list, "list", "--watch"]).refused(1, &["401"]);
    }
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let list = ["--url", &nowhere, "runs", "list", "--watch"];
    let token = [("AZDO_GATEWAY_TOKEN".to_owned(), "nobody".to_owned())];
    run(&token.into(), &list, b"").refused(1, &["does not answer"]);
}

/// A list that the gateway tells no changes of.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_read_again_by_themselves() {
    let env = Env::new(5306);
    let managed = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"";
    let gateway = Binary::without_hooks(&env, |settings| settings.organization = managed.into());
    let gateway = gateway.await;
    let mut watching = Watching::start(&gateway.settings, &["hooks", "list"]);
    watching.until("pushes");
    watching.interrupt();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_the_list_anew_until_ctrl_c() {
    let env = Env::new(5307);
    let gateway = Binary::start(&env).await;
    let settings = &gateway.settings;
    let config = settings.write();
    let config = config.to_str().expect("the path is text");
    let list = ["--config", config, "runs", "list", "--watch"];
    let mut terminal = on_terminal(&settings.variables(), &list);
    let mut out = terminal.stdout.take().expect("it is piped");
    let first = until_shown(&mut out, "REASON");
    assert!(first.contains("\x1b[H\x1b[2J"), "the screen is cleared: {first:?}");
    env.open("topic");
    let later = until_shown(&mut out, "succeeded");
    assert!(later.contains("\x1b[H\x1b[2J") && later.contains("REASON"), "{later:?}");
    let mut stdin = terminal.stdin.take().expect("it is piped");
    stdin.write_all(b"\x03").expect("it reads");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("it is text");
    let ended = terminal.wait().expect("it is a child of this process");
    assert_eq!(ended.code(), Some(0), "{rest}");
}
