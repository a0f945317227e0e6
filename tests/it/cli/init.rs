//! `init`: what it asks, what it writes, and what it refuses.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::call::{CallResult, run};
use crate::harness::{CLIENT_SECRET, Env, PAT, binary_path};

const PUBLIC_URL: &str = "https://gateway.example.com";

/// A folder to write to, and the neighbours that answers are compared with.
struct Init {
    env: Env,
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Init {
    fn new(seed: u64) -> Self {
        let env = Env::new(seed);
        let tenant = env.shell.entra(|entra| entra.tenant().to_owned());
        env.shell.ado(|ado| ado.set_tenant(&tenant));
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let variables = [("ENTRA_CLIENT_SECRET", CLIENT_SECRET), ("AZDO_GATEWAY_PAT", PAT)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { env, folder, variables }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).expect("it is there")
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path()).expect("it is there").count()
    }

    fn tenant(&self) -> String {
        self.env.shell.entra(|entra| entra.tenant().to_owned())
    }

    /// Runs `init --yes` about the fakes, with these options.
    fn run(&self, options: &[&str]) -> CallResult {
        let (file, url) = (self.file("gateway.toml"), self.env.shell.url().to_owned());
        let file = file.to_str().expect("the path is text");
        let organization_url = format!("{url}/fabrikam");
        let arguments = ["--config", file, "init", "--yes"];
        let about = ["--organization", "fabrikam", "--azure-devops-url", &organization_url];
        let address = ["--public-url", PUBLIC_URL];
        let all = [&arguments[..], &about, &address, options].concat();
        run(&self.variables, &all, b"")
    }

    /// The options of a kind of credential.
    fn credential(&self, kind: &str) -> Vec<String> {
        let mut options = vec!["--credential".to_owned(), kind.to_owned()];
        let mut add = |name: &str, value: &str| options.extend([name.to_owned(), value.to_owned()]);
        if matches!(kind, "service_user" | "service_principal" | "workload_identity") {
            add("--tenant-id", &self.tenant());
            add("--client-id", &self.env.client_id);
            add("--authority-url", self.env.shell.url());
        }
        if kind == "workload_identity" {
            add("--token-file", "/var/run/token");
        }
        options
    }

    /// Checks what was written, with the variables of its environment file and those that a person
    /// brings.
    fn check(&self) {
        let mut variables = BTreeMap::new();
        for line in self.text("gateway.env").lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once('=').expect("it is NAME=VALUE");
            let value = if value.is_empty() { "a token that is brought later" } else { value };
            variables.insert(name.to_owned(), value.trim_matches('\'').to_owned());
        }
        let file = self.file("gateway.toml");
        let file = file.to_str().expect("the path is text");
        let out = run(&variables, &["--config", file, "check-config"], b"").done();
        assert!(!out.contains("warning"), "{out}");
        std::fs::remove_file(file).expect("it is there");
        std::fs::remove_file(self.file("gateway.env")).expect("it is there");
    }
}

fn texts(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

/// The kinds of CI, each with its keys.
const CIS: [(&str, &[&str]); 9] = [
    ("webhook", &["url=https://ci.example.com/start"]),
    ("runner", &[]),
    ("azure_pipelines", &["project=Fabrikam", "pipeline=12"]),
    ("dbt_cloud", &["url=https://ab123.us1.dbt.com", "account=1", "job=2"]),
    ("jenkins", &["url=https://jenkins.example.com/job/web", "user=robot"]),
    ("github_actions", &["repository=a/b", "workflow=build.yml", "ref=main"]),
    ("gitlab", &["url=https://gitlab.com", "project=a/b", "ref=main"]),
    ("buildkite", &["organization=a", "pipeline=b"]),
    ("http", &["url=https://ci.example.com/api/runs"]),
];

fn ci((kind, keys): (&str, &'static [&str])) -> Vec<String> {
    let keys = keys.iter().flat_map(|key| ["--ci-key".to_owned(), (*key).to_owned()]);
    ["--ci".to_owned(), kind.to_owned()].into_iter().chain(keys).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_writes_passes_check_config_for_every_credential_and_every_ci() {
    let init = Init::new(1);
    for kind in ["service_user", "service_principal", "managed_identity", "workload_identity"] {
        let options = [init.credential(kind), ci(CIS[0])].concat();
        init.run(&texts(&options)).done();
        init.check();
    }
    for one in CIS {
        let options = [init.credential("pat"), ci(one)].concat();
        init.run(&texts(&options)).done();
        init.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_that_it_prints_work_in_a_shell() {
    let init = Init::new(2);
    let options = [init.credential("pat"), ci(CIS[0])].concat();
    let printed = init.run(&[&texts(&options)[..], &["--json"]].concat()).json();
    assert_eq!(printed["missing"], serde_json::json!([]));
    let command = printed["next"][0].as_str().expect("it is text");
    let binary = binary_path();
    let folder = binary.parent().expect("it is in a folder");
    let done = Command::new("/bin/sh")
        .args(["-ec", command])
        .env_clear()
        .env("PATH", folder)
        .output()
        .expect("there is a shell");
    let out = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && out.contains(": ok ("), "{out} {done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_fresh_private_and_never_overwritten() {
    let init = Init::new(3);
    let options = [init.credential("pat"), ci(CIS[1])].concat();
    let out = init.run(&texts(&options)).done();
    let (file, secrets) = (init.text("gateway.toml"), init.text("gateway.env"));
    let mode = std::fs::metadata(init.file("gateway.env")).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let values: Vec<_> = secrets.lines().filter_map(|line| Some(line.split_once('=')?.1)).collect();
    assert_eq!(values.len(), 4, "root key, operator, runner, PAT: {secrets}");
    for (at, value) in values.iter().enumerate() {
        assert!(value.len() > 20 && !values[..at].contains(value), "{secrets}");
        assert!(!file.contains(value) && !out.contains(value), "{value} is in {file} or {out}");
    }
    let again = init.run(&texts(&options));
    again.refused(2, &["gateway.toml is there already", "--config", "--print"]);
    std::fs::remove_file(init.file("gateway.toml")).expect("it is there");
    init.run(&texts(&options)).refused(2, &["gateway.env is there already"]);
    assert_eq!((init.text("gateway.env"), init.files()), (secrets, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn print_writes_no_file_and_no_secret() {
    let init = Init::new(4);
    let options = [init.credential("service_user"), ci(CIS[0])].concat();
    let out = init.run(&[&texts(&options)[..], &["--print"]].concat()).done();
    assert_eq!(init.files(), 0);
    assert!(!out.contains(CLIENT_SECRET), "{out}");
    for words in ["[organization.credential]", "AZDO_GATEWAY_ROOT_KEY", "keygen --webhook"] {
        assert!(out.contains(words), "{words:?} is not in {out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_organization_tenant_or_token_is_found_before_anything_is_written() {
    let mut init = Init::new(5);
    let pat = [init.credential("pat"), ci(CIS[0])].concat();
    let mut other = init.credential("service_user");
    let at = other.iter().position(|it| it == "--tenant-id").expect("it is there") + 1;
    other[at] = "11111111-2222-3333-4444-555555555555".to_owned();
    let options = [other, ci(CIS[0])].concat();
    let belongs = format!("the organization belongs to tenant {}", init.tenant());
    init.run(&texts(&options)).refused(1, &[&belongs, "nothing was written"]);
    init.env.shell.ado(|ado| ado.set_tenant("no tenant"));
    init.run(&texts(&options)).refused(1, &["knows no tenant 11111111-"]);

    init.variables.insert("AZDO_GATEWAY_PAT".to_owned(), "of nobody".to_owned());
    init.run(&texts(&pat)).refused(1, &["the credential opens nothing of fabrikam"]);
    init.variables.insert("ENTRA_CLIENT_SECRET".to_owned(), "wrong".to_owned());
    let app = [init.credential("service_principal"), ci(CIS[0])].concat();
    init.run(&texts(&app)).refused(1, &["client secret", "nothing was written"]);
    assert_eq!(init.files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_organization_is_refused() {
    let init = Init::new(6);
    let (file, url) = (init.file("gateway.toml"), format!("{}/nobody", init.env.shell.url()));
    let file = file.to_str().expect("the path is text");
    let options = ["init", "--yes", "--organization", "nobody", "--azure-devops-url", &url];
    let more = ["--public-url", PUBLIC_URL, "--credential", "pat", "--ci", "runner"];
    let all = [&["--config", file][..], &options, &more].concat();
    run(&init.variables, &all, b"").refused(1, &["there is no organization at", "nobody"]);
    assert_eq!(init.files(), 0);
}

#[test]
fn without_a_terminal_it_says_which_options_to_give() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("gateway.toml");
    let file = file.to_str().expect("the path is text");
    let call = |options: &[&str]| {
        run(&BTreeMap::new(), &[&["--config", file, "init"][..], options].concat(), b"")
    };
    call(&[]).refused(2, &["there is no terminal to ask on", "--yes"]);
    call(&["--yes"]).refused(2, &["--organization, --public-url, --credential, --ci"]);
    let user = ["--yes", "--public-url", PUBLIC_URL, "--credential", "service_user"];
    call(&user).refused(
        2,
        &[
            "--tenant-id, --client-id",
            "https://gateway.example.com/complete/azure_active_directory_service_user",
            "Accounts in this organizational directory only",
            "az ad app create",
            "vso.pats_manage",
            "user_impersonation",
            "dbt Cloud",
        ],
    );
    let ci = ["--yes", "--ci", "gitlab", "--ci-key", "url=https://gitlab.com"];
    call(&ci).refused(2, &["--ci-key project=…", "--ci-key ref=…"]);
    call(&["--yes", "--ci", "runner", "--ci-key", "x=1"]).refused(2, &["--ci-key x"]);
    call(&["--yes", "--ci", "travis"]).refused(2, &["travis", "jenkins"]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn every_wrong_answer_is_reported_at_once_with_a_remedy() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("gateway.toml");
    let file = file.to_str().expect("the path is text");
    let options = ["--config", file, "init", "--yes", "--organization", "dev.azure.com/x"];
    let more = ["--public-url", "http://gateway.example.com", "--credential", "pat"];
    let rest = ["--repository", "web", "--ci", "webhook", "--ci-key", "url=nowhere"];
    run(&BTreeMap::new(), &[&options[..], &more, &rest].concat(), b"").refused(
        2,
        &[
            "name must be the bare name",
            "public_url is http",
            "write public_url = \"https://gateway.example.com",
            "repository \"web\" names no project",
            "url is not an address",
        ],
    );
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

/// A person at a terminal, who makes a mistake first.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_asks_again_until_the_answer_is_right() {
    let init = Init::new(7);
    let url = format!("{}/fabrikam", init.env.shell.url());
    let answers = [
        "dev.azure.com/fabrikam",
        "fabrikam",
        "http://gateway.example.com",
        PUBLIC_URL,
        "pat",
        PAT,
        "web",
        "Fabrikam/*",
        "1",
        "https://ci.example.com/start",
        "yes",
    ];
    let file = init.file("gateway.toml");
    let command = format!(
        "'{}' --config '{}' init --azure-devops-url '{url}'",
        binary_path().display(),
        file.display()
    );
    let mut person = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_remove("AZDO_GATEWAY_PAT")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("there is `script`");
    let mut stdin = person.stdin.take().expect("it is piped");
    for answer in answers {
        std::io::Write::write_all(&mut stdin, format!("{answer}\n").as_bytes()).expect("it reads");
    }
    let done = person.wait_with_output().expect("it is a child of this process");
    drop(stdin);
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{shown}");
    for words in ["name must be the bare name", "public_url is http", "names no project", "ok: "] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    assert!(init.text("gateway.env").contains(PAT), "{shown}");
    init.check();
}
