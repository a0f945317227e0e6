//! A real Buildbot, driven through kind `http` with the file in config/examples.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azdo_gateway::ci::{Cancelled, Error, Observed, Organizations, Sample, Systems, Trigger};
use azdo_gateway::clock::Clock;
use azdo_gateway::config::{Environment, parse};
use azdo_gateway::domain::id::RunId;
use azdo_gateway::domain::run::{Reported, Run, Started};
use azdo_gateway::secret::Secret;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::harness::WAIT_MAX;

/// How often Buildbot is asked while something is waited for.
const ASKED_EVERY: Duration = Duration::from_millis(100);
const PASSWORD: &str = "buildbot-password-0123456789";
const EXAMPLE: &str = include_str!("../../config/examples/buildbot.toml");

/// A master that ends with this.
struct Master {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Master {
    /// None where this machine is to do without.
    fn start() -> Option<Self> {
        if std::env::var_os("AZDO_GATEWAY_WITHOUT_BUILDBOT").is_some() {
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder");
        let mut process = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/buildbot"))
            .arg("start")
            .arg(folder.path())
            .env("BUILDBOT_PASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/buildbot starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it prints");
        let port = line.trim().parse();
        let port = port.expect("it prints its port (see above; `tests/buildbot install`)");
        Some(Self { process, port, _folder: folder })
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // It ends the master when its input ends.
        drop(self.process.stdin.take());
        _ = self.process.wait();
    }
}

/// Passes bytes on to the master; when told to, loses the next answer and with it the connection.
struct Link {
    port: u16,
    loses_next: Arc<AtomicBool>,
}

impl Link {
    async fn to(master: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let loses_next = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&loses_next);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let flag = Arc::clone(&flag);
                tokio::spawn(async move { pass(client, master, &flag).await });
            }
        });
        Self { port, loses_next }
    }
}

async fn pass(client: TcpStream, master: u16, loses_next: &AtomicBool) -> Option<()> {
    let server = TcpStream::connect(("127.0.0.1", master)).await.ok()?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async move { tokio::io::copy(&mut from_client, &mut to_server).await };
    let answers = async move {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = from_server.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            if loses_next.swap(false, Ordering::SeqCst) {
                return None::<()>;
            }
            to_client.write_all(buffer.get(..count)?).await.ok()?;
        }
    };
    tokio::select! {
        _ = requests => {}
        _ = answers => {}
    }
    None
}

/// Every secret of the example is the password, but for the key.
struct Variables;

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        let is_key = name == "AZDO_GATEWAY_ROOT_KEY";
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        Some(if is_key { key.to_owned() } else { PASSWORD.to_owned() })
    }

    fn file(&self, _path: &std::path::Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// The CI of the example, at another address; the builder runs the input `command`.
fn systems(port: u16) -> Systems {
    let run_id = "run_id = \"{{ run }}\"";
    let text = EXAMPLE
        .replace("https://buildbot.example.com", &format!("http://127.0.0.1:{port}"))
        .replace(run_id, &format!("{run_id}, run_command = \"{{{{ inputs.command }}}}\""))
        .replace("ci = \"buildbot\"", "ci = \"buildbot\"\ninputs = { command = \"true\" }");
    let config = parse("buildbot.toml", &text, &Variables).expect("it is valid");
    let http = |_| azdo_gateway::ado::http_client().map_err(|error| error.to_string());
    Systems::new(&http, &Clock::system(), &Organizations::default(), config.ci)
        .expect("it can be set up")
}

fn run(command: &str) -> Run {
    let inputs = BTreeMap::from([("command".to_owned(), command.to_owned())]);
    let created_at = Clock::system().now();
    let id = RunId(Uuid::now_v7());
    Run { id, created_at, ..Sample::PullRequest.run("buildbot", inputs) }
}

async fn start(systems: &Systems, run: &Run) -> Result<Started, Error> {
    let trigger = Trigger {
        run,
        attempt: 1,
        clone_url: String::new(),
        report_url: String::new(),
        report_token: Secret::new("token".to_owned()),
        sent_at: run.created_at,
    };
    systems.start("buildbot", &trigger).await
}

/// Starts a run, and returns it with its id at the CI.
async fn started(systems: &Systems, command: &str) -> Run {
    let run = run(command);
    let Ok(Started::Accepted { ci_id: Some(id), url: Some(url) }) = start(systems, &run).await
    else {
        panic!("it is not started")
    };
    assert!(url.ends_with(&format!("/#/buildrequests/{id}")), "{url}");
    Run { ci_id: Some(id), ..run }
}

async fn poll(systems: &Systems, run: &Run) -> Observed {
    let mut answers = systems.poll("buildbot", &[run]).await;
    answers.pop().expect("there is one").expect("it answers")
}

async fn until(systems: &Systems, run: &Run, wanted: Reported) {
    let asking = async {
        let mut interval = tokio::time::interval(ASKED_EVERY);
        loop {
            interval.tick().await;
            let Observed { state, description, url } = poll(systems, run).await;
            if state == wanted {
                println!("{}: {state:?}, {description:?}, {url:?}", run.inputs["command"]);
                return;
            }
            assert_eq!(state, Reported::Running, "{wanted:?} is expected");
        }
    };
    tokio::time::timeout(WAIT_MAX, asking).await.expect("it comes to its end");
}

/// Waits until the shell of a build runs.
async fn until_exists(path: &std::path::Path) {
    let looking = async {
        let mut interval = tokio::time::interval(ASKED_EVERY);
        while !path.exists() {
            interval.tick().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, looking).await.expect("the build runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_of_a_real_buildbot_are_started_followed_cancelled_and_found() {
    let Some(master) = Master::start() else { return };
    let link = Link::to(master.port).await;
    let systems = systems(link.port);
    let findings = systems.check("buildbot").await.unwrap();
    assert!(findings.iter().all(|finding| finding.help.is_none()), "{findings:?}");

    let good = started(&systems, "echo this succeeds").await;
    until(&systems, &good, Reported::Succeeded).await;
    let bad = started(&systems, "echo this fails; exit 3").await;
    until(&systems, &bad, Reported::Failed).await;

    // The second one waits for the worker.
    let folder = TempDir::new().unwrap();
    let mark = folder.path().join("runs");
    let long = started(&systems, &format!("touch {}; sleep 600", mark.display())).await;
    until_exists(&mark).await;
    let queued = started(&systems, "true").await;
    assert_eq!(poll(&systems, &queued).await.state, Reported::Running);
    assert_eq!(systems.cancel("buildbot", &queued).await, Ok(Cancelled::Done));
    until(&systems, &queued, Reported::Cancelled).await;
    assert_eq!(poll(&systems, &long).await.state, Reported::Running);
    assert_eq!(systems.cancel("buildbot", &long).await, Ok(Cancelled::Done));
    until(&systems, &long, Reported::Cancelled).await;
    for ended in [&good, &bad, &queued, &long] {
        assert_eq!(systems.cancel("buildbot", ended).await, Ok(Cancelled::Done));
    }
    assert_eq!(poll(&systems, &good).await.state, Reported::Succeeded, "it stays as it is");

    let lost = run("echo its answer is lost");
    assert_eq!(systems.find("buildbot", &lost).await, Ok(None));
    link.loses_next.store(true, Ordering::SeqCst);
    let answer = start(&systems, &lost).await;
    assert!(matches!(answer, Err(Error::Ambiguous { .. })), "{answer:?}");
    let Ok(Some(Started::Accepted { ci_id, .. })) = systems.find("buildbot", &lost).await else {
        panic!("it is not found")
    };
    let found = Run { ci_id, ..lost };
    until(&systems, &found, Reported::Succeeded).await;
    assert!(![&good, &bad, &queued, &long].iter().any(|other| other.ci_id == found.ci_id));
}
