//! How receivers of others are configured: as their documentation says for hooks with a password,
//! and with nothing that they need not do. It must never favour one.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use serde_json::{Value, json};

pub(super) const USER: &str = "loadtest";
pub(super) const PASSWORD: &str = "a-password-of-the-loadtest";

/// A hook as in its documentation, for whom the header has the right value. The command is as cheap
/// as one can be that leaves a trace: it makes one empty file.
pub(super) fn webhook(
    program: &Path,
    folder: &Path,
    address: SocketAddr,
    authorization: &str,
) -> anyhow::Result<Command> {
    let made = folder.join("made");
    std::fs::create_dir(&made)?;
    let hooks: Value = json!([{
        "id": "loadtest",
        "execute-command": "/usr/bin/mktemp",
        "pass-arguments-to-command": [
            { "source": "string", "name": "-q" },
            { "source": "string", "name": "-p" },
            { "source": "string", "name": made },
        ],
        "success-http-response-code": 202,
        "trigger-rule": { "match": {
            "type": "value",
            "value": authorization,
            "parameter": { "source": "header", "name": "Authorization" },
        } },
    }]);
    let path = folder.join("hooks.json");
    std::fs::write(&path, hooks.to_string())?;
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new(program);
    command.arg("-hooks").arg(path).args(["-ip", &host, "-port", &port]);
    Ok(command)
}

/// A master made by its own command, with `master.cfg` beside this file.
pub(super) fn buildbot(
    program: &Path,
    folder: &Path,
    address: SocketAddr,
) -> anyhow::Result<Command> {
    let master = folder.join("master");
    let made = Command::new(program).arg("create-master").arg(&master).output()?;
    let errors = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "buildbot create-master failed: {errors}");
    std::fs::write(master.join("master.cfg"), include_str!("master.cfg"))?;
    let passwords = folder.join("passwords");
    std::fs::write(&passwords, format!("{USER}:{PASSWORD}\n"))?;
    let mut command = Command::new(program);
    command
        .args(["start", "--nodaemon"])
        .arg(&master)
        .env("RECEIVER_URL", format!("http://{address}/"))
        .env("RECEIVER_PORT", format!("tcp:{}:interface={}", address.port(), address.ip()))
        .env("RECEIVER_PASSWORDS", passwords);
    Ok(command)
}

/// `receiver.py` beside this file, with one process since it has one core, and threads that wait
/// for the disk.
pub(super) fn flask(program: &Path, folder: &Path, address: SocketAddr) -> anyhow::Result<Command> {
    std::fs::write(folder.join("receiver.py"), include_str!("receiver.py"))?;
    let mut command = Command::new(program);
    command
        .args(["--bind", &address.to_string(), "--worker-class", "gthread", "--workers", "1"])
        .args(["--threads", "8", "--keep-alive", "75", "--log-level", "warning", "--chdir"])
        .arg(folder)
        .arg("receiver:app")
        .env("RECEIVER_DATABASE", folder.join("receiver.db"))
        .env("RECEIVER_USER", USER)
        .env("RECEIVER_PASSWORD", PASSWORD);
    Ok(command)
}
