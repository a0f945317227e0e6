//! What somebody does who has never seen the gateway: the steps of "Connect an organization" in the
//! README, from an empty folder to a green check at the played Azure DevOps.
//! `cargo nextest run --test it first_hour --no-capture` prints what was done and how long it took.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::call::run;
use crate::harness::{Browser, CLIENT_SECRET, Env, POLL_INTERVAL, SERVICE_USER, WAIT_MAX};
use crate::harness::{binary_path, free_port};

/// A person at a shell in a folder of their own.
struct Person {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    begun: Instant,
}

/// Ends the process with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Person {
    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs a command that succeeds, and returns what it prints.
    fn run(&self, arguments: &[&str]) -> String {
        let file = self.file("gateway.toml");
        let all = [&["--config", &file], arguments].concat();
        let out = run(&self.variables, &all, b"").done();
        self.say(&format!("azdo-gateway {}\n{out}", arguments.join(" ")));
        out
    }

    fn say(&self, what: &str) {
        println!("{:6.1} s  {what}", self.begun.elapsed().as_secs_f64());
    }

    /// `set -a; . ./gateway.env; set +a`.
    fn read_environment(&mut self) {
        let text = std::fs::read_to_string(self.file("gateway.env")).expect("it was written");
        let pairs = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = pairs.map(|line| line.split_once('=').expect("it is NAME=VALUE"));
        let pairs =
            pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()));
        self.variables.extend(pairs);
    }

    fn serve(&self) -> Serving {
        let log = std::fs::File::create(self.file("log")).expect("the folder is writable");
        let child = Command::new(binary_path())
            .args(["--config", &self.file("gateway.toml"), "serve"])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.variables)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Serving(child.expect("the binary starts"))
    }
}

async fn until_ready(url: &str) {
    let http = reqwest::Client::new();
    let ready = async {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        loop {
            interval.tick().await;
            let answer = http.get(format!("{url}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, ready).await.expect("it becomes ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_comes_from_an_empty_folder_to_a_green_check() {
    let env = Env::new(4801);
    let tenant = env.shell.entra(|entra| entra.tenant().to_owned());
    env.shell.ado(|ado| ado.set_tenant(&tenant));
    let url = format!("http://127.0.0.1:{}", free_port());
    let ci_secret = env.shell.ci(|ci| ci.secret().to_owned());
    // What they bring.
    let brought = [("ENTRA_CLIENT_SECRET".to_owned(), CLIENT_SECRET.to_owned())];
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let mut person = Person { folder, variables: brought.into(), begun: Instant::now() };

    let organization_url = env.shell.ado(|ado| ado.organization_url("fabrikam"));
    let start = format!("url={}", env.shell.ci_url());
    let out = person.run(&[
        "init",
        "--yes",
        "--organization",
        "fabrikam",
        "--azure-devops-url",
        &organization_url,
        "--public-url",
        &url,
        "--credential",
        "service_user",
        "--tenant-id",
        &tenant,
        "--client-id",
        &env.client_id,
        "--authority-url",
        env.shell.url(),
        "--expected-user",
        SERVICE_USER,
        "--repository",
        "Fabrikam/web",
        "--ci",
        "webhook",
        "--ci-key",
        &start,
    ]);
    // They register what it says in Entra.
    let redirect = format!("{url}/complete/azure_active_directory_service_user");
    assert!(out.contains(&redirect), "{out}");
    env.register(&url);
    person.read_environment();
    // Their CI knows a secret already, which takes the place of the fresh one.
    person.variables.insert("BUILDER_SECRET".to_owned(), ci_secret);
    // Their port 8080 is taken.
    let written = std::fs::read_to_string(person.file("gateway.toml")).expect("it was written");
    let own = written.replace("127.0.0.1:8080", url.trim_start_matches("http://"));
    std::fs::write(person.file("gateway.toml"), own).expect("it is theirs");
    person.run(&["check-config"]);

    let _serving = person.serve();
    until_ready(&url).await;
    person.say("the gateway is ready");
    let out = person.run(&["link", "fabrikam"]);
    let address = out.split_whitespace().find(|word| word.starts_with(&url)).expect("an address");
    let browser = Browser::new();
    let back = browser.sign_in(address, None).await;
    assert!(browser.open(back.as_str(), None).await.status.is_success());
    person.say("the service user has signed in");
    person.run(&["permissions", "check", "fabrikam"]);
    env.until_hooks(&url, 3).await;
    person.run(&["hooks", "list"]);

    let (id, commit) = env.open("my-first-change");
    let name = own_check(&person);
    env.until_status(id, &commit, &name, "succeeded").await;
    person.say(&format!("pull request {id} shows that {name} has succeeded"));
    let shown = person.run(&["deliveries", "list"]);
    assert!(shown.contains("started"), "{shown}");
    assert!(person.run(&["runs", "list"]).contains("succeeded"));
}

/// The name of the check that `init` wrote.
fn own_check(person: &Person) -> String {
    let text = std::fs::read_to_string(person.file("gateway.toml")).expect("it was written");
    let table = text.split_once("[[check]]").expect("it has a check").1;
    let name = table.lines().find_map(|line| line.strip_prefix("name = "));
    name.expect("it has a name").trim_matches('"').to_owned()
}
