//! What only a terminal shows: colours, and what a command waits for.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use super::call::{ask, run};
use crate::harness::{Binary, Env, OPERATOR, binary_path};

const COLOUR: &str = "\x1b[32m";

/// Runs the binary on a terminal of its own; what the terminal shows is read from standard output.
pub(super) fn on_terminal(variables: &BTreeMap<String, String>, words: &[&str]) -> Child {
    let quoted = |word: &str| format!("'{word}'");
    let binary = quoted(binary_path().to_str().expect("the path is text"));
    let words = words.iter().copied().map(quoted).collect::<Vec<_>>().join(" ");
    Command::new("script")
        .args(["--quiet", "--return", "--command", &format!("exec {binary} {words}"), "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("TERM", "xterm")
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is `script`")
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_and_for_those_who_want_them() {
    let env = Env::new(5201);
    let gateway = Binary::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let config = gateway.settings.write();
    let list = ["--config", config.to_str().expect("the path is text"), "runs", "list"];
    let shown = |variable: Option<(&str, &str)>| {
        let mut variables = gateway.settings.variables();
        variables.extend(variable.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut child = on_terminal(&variables, &list);
        // The end of its input would be the end of the terminal.
        let stdin = child.stdin.take();
        let done = child.wait_with_output().expect("it is a child of this process");
        drop(stdin);
        let shown = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success() && shown.contains("succeeded"), "{shown}");
        shown
    };
    for (variable, has_colours) in [
        (None, true),
        (Some(("NO_COLOR", "")), true),
        (Some(("NO_COLOR", "1")), false),
        (Some(("TERM", "dumb")), false),
    ] {
        let shown = shown(variable);
        assert_eq!(shown.contains(COLOUR), has_colours, "{variable:?}: {shown:?}");
        assert_eq!(shown.contains('\x1b'), has_colours, "{variable:?}: {shown:?}");
    }
    assert!(!ask(&gateway.settings, &["runs", "list"]).done().contains('\x1b'));
}

/// A gateway that answers each request only when it is told to.
struct Slow {
    url: String,
    answer: mpsc::Sender<()>,
}

impl Slow {
    fn start(requests: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (answer, is_told) = mpsc::channel();
        thread::spawn(move || {
            let streams: Vec<TcpStream> = listener.incoming().flatten().take(requests).collect();
            is_told.recv().expect("the test goes on");
            streams.into_iter().for_each(answer_one);
        });
        Self { url, answer }
    }
}

fn answer_one(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().expect("it is open")).lines();
    while lines.next().expect("there is a request").is_ok_and(|line| !line.is_empty()) {}
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                  content-length: 13\r\n\r\n{\"items\": []}";
    stream.write_all(answer.as_bytes()).expect("the command reads");
}

/// Reads until this is shown. A command that does not show it ends, or the test is too slow.
pub(super) fn until_shown(out: &mut impl Read, words: &str) -> String {
    let (mut shown, mut bytes) = (String::new(), [0; 1024]);
    while !shown.contains(words) {
        let read = out.read(&mut bytes).expect("it can be read");
        assert!(read > 0, "{words:?} is not shown: {shown:?}");
        shown += &String::from_utf8_lossy(&bytes[..read]);
    }
    shown
}

#[test]
fn a_terminal_shows_what_a_slow_command_waits_for() {
    let slow = Slow::start(2);
    let variables = BTreeMap::from([("AZDO_GATEWAY_TOKEN".to_owned(), OPERATOR.to_owned())]);
    let list = ["--url", &slow.url, "runs", "list"];
    thread::scope(|scope| {
        let piped = scope.spawn(|| run(&variables, &list, b""));
        let mut child = on_terminal(&variables, &list);
        let mut out = child.stdout.take().expect("it is piped");
        until_shown(&mut out, "\rwaiting for the gateway: ");
        slow.answer.send(()).expect("it waits");
        let rest = until_shown(&mut out, "REASON");
        assert!(rest.contains("\r\x1b[K"), "the line is not removed: {rest:?}");
        assert!(child.wait().expect("it is a child of this process").success());
        let piped = piped.join().expect("it does not panic").with(0);
        assert_eq!(piped.err, "", "nobody looks");
    });
}
