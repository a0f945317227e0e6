//! What the process may do on its machine: open files, core dumps, access to its files, and the
//! priority of its threads.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use reqwest::StatusCode;

use crate::harness::{Binary, Env, Settings, compile_c, payloads};

/// Starts the binary from a shell that runs `commands` first.
fn after(commands: &str) -> impl FnOnce(&mut Settings) {
    let script = format!("{commands}; exec \"$0\" \"$@\"");
    move |settings| settings.launcher = ["/bin/sh", "-c", &script].map(str::to_owned).into()
}

/// The soft limit of open files.
fn open_files_max(gateway: &Binary) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_open_files_is_raised_to_the_hard_limit() {
    let env = Env::new(3101);
    let gateway = Binary::start_with(&env, after("ulimit -Sn 64; ulimit -Hn 5000")).await;
    assert_eq!(open_files_max(&gateway), "5000");
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    assert!(gateway.log().contains("\"open_files_max\":5000"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_leave_files_for_the_database() {
    let env = Env::new(3102);
    let gateway = Binary::start_with(&env, after("ulimit -n 200")).await;
    // These clients have their connections before all others are taken.
    let deliver =
        || env.deliver(&gateway.url, "by-hand", payloads::other("workitem.created").to_string());
    assert_eq!(deliver().await, StatusCode::ACCEPTED);
    assert_eq!(gateway.api.get("/livez").await["status"], "alive");
    let address = gateway.url.trim_start_matches("http://");
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(address).unwrap()).collect();
    for _ in 0..50 {
        assert_eq!(deliver().await, StatusCode::ACCEPTED);
    }
    env.until_idle(&gateway.api).await;
    // The connections that read the database are opened now.
    let listed = gateway.api.get("/v1/deliveries?limit=500").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 51);
    drop(idle);
    let log = gateway.log();
    assert!(log.contains("this process may have 200 files open"), "{log}");
    assert!(!log.contains("open files\""), "{log}");
    assert!(!log.contains("Too many open files") && !log.contains("os error 24"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_core_dump_is_made_of_a_process_that_holds_the_root_key() {
    let env = Env::new(3103);
    let mut gateway = Binary::start_with(&env, after("ulimit -c unlimited")).await;
    let aborted = Command::new("kill").args(["-ABRT", &gateway.id().to_string()]).status();
    assert!(aborted.is_ok_and(|status| status.success()));
    let status = gateway.wait();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}

/// The permissions of everything in a folder, and of the folder.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut modes = vec![(".".to_owned(), mode(folder))];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        modes.push((path.file_name().unwrap().to_str().unwrap().to_owned(), mode(&path)));
    }
    modes
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_read_the_files_of_the_gateway() {
    let env = Env::new(3104);
    let mut gateway = Binary::start_with(&env, |settings| {
        after("umask 000")(settings);
        settings.database = "data/gateway.db".into();
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let folder = gateway.settings.folder.join("data");
    let are_private = || {
        let modes = modes(&folder);
        assert!(modes.len() >= 6, "{modes:?}");
        for (name, mode) in &modes {
            assert_eq!(*mode, if name == "." { 0o700 } else { 0o600 }, "{name}");
        }
    };
    are_private();
    // Files of an older gateway, or copied by hand.
    gateway.kill();
    for (name, _) in modes(&folder).into_iter().skip(1) {
        let everybody = std::fs::Permissions::from_mode(0o664);
        std::fs::set_permissions(folder.join(name), everybody).unwrap();
    }
    gateway.restart().await;
    are_private();
    let log = gateway.log();
    assert!(log.contains("others had access to") && log.contains("(mode 664)"), "{log}");
    // A folder may have been made for other files, too.
    gateway.kill();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    gateway.restart().await;
    let log = gateway.log();
    let advice = format!("chmod 700 {}", folder.display());
    assert!(log.contains(&advice), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_priority_is_logged_once() {
    let env = Env::new(3105);
    let folder = env.settings("127.0.0.1:1").folder;
    let launcher = compile_c("refuse_setpriority.c", &folder, &[]);
    let warnings = |gateway: &Binary| gateway.log().matches("setpriority is refused").count();
    let gateway = Binary::start_with(&env, |settings| {
        settings.launcher = vec![launcher.display().to_string()];
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    assert_eq!(warnings(&gateway), 1, "{}", gateway.log());
    let allowed = Env::new(3106);
    assert_eq!(warnings(&Binary::start(&allowed).await), 0);
}
