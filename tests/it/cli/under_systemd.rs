//! The units of `config/systemd`, started by the systemd that manages this machine, under names of
//! their own. Where there is none, as in a container, `tests/systemd` starts one for this test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::call::ReferenceConfig;
use crate::harness::{binary_path, free_port};

/// Units that are gone after the next start of the machine.
const UNITS: &str = "/run/systemd/system";
/// Neither temporary nor a home: both are hidden from the service.
const STATE: &str = "/var/lib";
/// Set in the process that `tests/systemd` runs.
const INSIDE: &str = "AZDO_GATEWAY_TEST_INSIDE";
/// The exit code of `tests/systemd` where this machine does not let it start one.
const NOT_HERE: i32 = 77;

/// What systemd prints; none where it fails.
fn systemctl(arguments: &[&str]) -> Option<String> {
    let output = Command::new("systemctl").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// Whether a systemd manages this machine that we may tell to start something.
fn manages_this_machine() -> bool {
    let output = Command::new("systemctl").arg("is-system-running").output();
    let state = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let state = state.unwrap_or_else(|_| "not installed".to_owned());
    // One that is degraded has other services that do not work.
    let manages = ["running", "degraded", "starting"].contains(&state.as_str());
    manages && rustix::process::geteuid().is_root()
}

/// Runs this test with a systemd of its own, and says so where that is not possible.
fn with_a_systemd_of_its_own(test: &str) {
    assert!(std::env::var_os(INSIDE).is_none(), "there is none inside either");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd");
    let output = Command::new(script)
        .arg(std::env::current_exe().expect("it is a file"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("it is part of the repository");
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    let printed = String::from_utf8_lossy(&printed);
    if output.status.code() == Some(NOT_HERE) {
        return println!("not tried, since no systemd manages this machine, and {printed}");
    }
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

/// The installed service; it is stopped and removed with the test.
struct Installed {
    name: String,
    address: String,
    folder: PathBuf,
}

impl Installed {
    /// Copies the units with other names and paths, and the reference configuration with files in
    /// place of variables.
    fn new() -> Self {
        let name = format!("azdo-gateway-test-{}", std::process::id());
        let folder = Path::new(STATE).join(format!("{name}-files"));
        std::fs::create_dir(&folder).expect("this is root");
        let installed = Self { address: format!("127.0.0.1:{}", free_port()), name, folder };
        let binary = installed.folder.join("azdo-gateway");
        std::fs::copy(binary_path(), &binary).expect("there is room for it");
        installed.configure();
        let at = installed.folder.display();
        for kind in ["socket", "service"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systemd");
            let path = path.join(format!("azdo-gateway.{kind}"));
            let text = std::fs::read_to_string(path).expect("it is part of the repository");
            let text = text
                .replace("ExecStart=azdo-gateway", &format!("ExecStart={}", binary.display()))
                .replace("/etc/azdo-gateway", &at.to_string())
                .replace("127.0.0.1:8080", &installed.address)
                .replace("azdo-gateway.socket", &format!("{}.socket", installed.name))
                .replace("=azdo-gateway\n", &format!("={}\n", installed.name))
                .replace("%S/azdo-gateway\n", &format!("%S/{}\n", installed.name));
            std::fs::write(installed.unit(kind), text).expect("this is root");
        }
        systemctl(&["daemon-reload"]).expect("systemd reads its units");
        installed
    }

    fn configure(&self) {
        let listen = format!("\nlisten = \"{}\"", self.address);
        // Nobody listens there.
        let azure_devops = "\nazure_devops_url = \"http://127.0.0.1:9/my-devops-org\"";
        let config = ReferenceConfig::edited(&[
            ("\n#listen = \"127.0.0.1:8080\"", &listen),
            ("\n#azure_devops_url = \"https://dev.azure.com/my-devops-org\"", azure_devops),
        ]);
        let mut text = std::fs::read_to_string(config.file()).expect("it is there");
        std::fs::create_dir(self.folder.join("secrets")).expect("this is root");
        for (variable, secret) in &config.variables {
            let file = variable.trim_start_matches("AZDO_GATEWAY_").to_lowercase();
            let seen = format!("/run/credentials/{}.service/{file}", self.name);
            let from = format!("{{ env = \"{variable}\" }}");
            text = text.replace(&from, &format!("{{ file = \"{seen}\" }}"));
            std::fs::write(self.folder.join("secrets").join(file), secret).expect("this is root");
        }
        std::fs::write(self.folder.join("gateway.toml"), text).expect("this is root");
    }

    fn unit(&self, kind: &str) -> PathBuf {
        Path::new(UNITS).join(format!("{}.{kind}", self.name))
    }

    fn show(&self, property: &str) -> String {
        let service = format!("{}.service", self.name);
        systemctl(&["show", "--value", "--property", property, &service]).expect("it is known")
    }

    /// How it is, and the end of its log.
    fn log(&self) -> String {
        let units = ["socket", "service"].map(|kind| format!("{}.{kind}", self.name));
        let mut status = Command::new("systemctl");
        status.args(["status", "--no-pager", "--full", "--lines=50"]).args(units);
        let output = status.output();
        output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned()).unwrap_or_default()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let names = ["socket", "service"].map(|kind| format!("{}.{kind}", self.name));
        systemctl(&["stop", &names[0], &names[1]]);
        for kind in ["socket", "service"] {
            drop(std::fs::remove_file(self.unit(kind)));
        }
        systemctl(&["daemon-reload"]);
        drop(std::fs::remove_dir_all(&self.folder));
        for folder in ["private/", ""] {
            let path = format!("{STATE}/{folder}{}", self.name);
            drop(std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path)));
        }
    }
}

/// What the kernel says of a process.
fn status(process: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let lines = text.lines().filter_map(|line| line.split_once(":\t"));
    lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

/// How nice each thread of a process is.
fn niceness(process: &str) -> impl Iterator<Item = i32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        // Its name, which comes first, may hold spaces.
        stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse().ok()
    })
}

#[tokio::test]
async fn systemd_starts_the_service_restarts_it_without_a_refusal_and_stops_it() {
    if !manages_this_machine() {
        let name = "systemd_starts_the_service_restarts_it_without_a_refusal_and_stops_it";
        return with_a_systemd_of_its_own(&format!("cli::under_systemd::{name}"));
    }
    let installed = Installed::new();
    let service = format!("{}.service", installed.name);
    // Returns when the gateway has said that it is ready.
    let started = systemctl(&["start", &format!("{}.socket", installed.name), &service]);
    assert!(started.is_some(), "it does not start:\n{}", installed.log());
    let ready = format!("http://{}/readyz", installed.address);
    // Each request has a connection of its own.
    let ask = async || {
        let answer = reqwest::Client::new().get(&ready).send().await;
        answer.expect("nothing is refused").status()
    };
    assert_eq!(ask().await, 200);

    let process = installed.show("MainPID");
    let status = status(&process);
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2", "system calls are filtered");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&status[set], 16), Ok(0), "{set}");
    }
    assert!(!status["Uid"].starts_with("0\t"), "it has a user of its own: {}", status["Uid"]);
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core")).expect("it is one");
    assert!(core.contains(" 0 "), "a core dump would hold the root key: {core}");
    assert!(niceness(&process).any(|nice| nice > 0), "threads lower their own priority");
    let database = Path::new(STATE).join("private").join(&installed.name).join("data/gateway.db");
    assert!(database.exists(), "the state is in the folder of the service");

    // While it is restarted connections wait at the socket.
    let restart = Command::new("systemctl").args(["restart", &service]).spawn();
    let mut restart = restart.expect("systemctl is there");
    while restart.try_wait().expect("it is a child").is_none() {
        assert!([200, 503].contains(&ask().await.as_u16()));
    }
    assert_eq!(ask().await, 200);
    assert_ne!(installed.show("MainPID"), process);
    systemctl(&["stop", &format!("{}.socket", installed.name), &service]).expect("it stops");
    assert_eq!(installed.show("Result"), "success", "{}", installed.log());
}
