//! Programs of others: where they are, and how they come here. It must never install anything
//! unless it is told to.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;

use super::contestant::Kind;
use crate::ground::Ground;

const PACKAGES: [&str; 4] = ["buildbot", "buildbot-www", "flask", "gunicorn"];
const DEBIAN: &str = "apt-get install --yes webhook";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The binary of adnanh's webhook, where it is not in the path.
    #[arg(long, default_value = "webhook")]
    webhook: PathBuf,
    /// A virtual environment of Python with buildbot, buildbot-www, flask and gunicorn.
    #[arg(long, default_value_os_t = cache())]
    venv: PathBuf,
    /// Install what is missing: the package of Debian, which needs root, and the environment.
    #[arg(long)]
    install: bool,
}

fn cache() -> PathBuf {
    let own = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    own.or_else(home).unwrap_or_else(std::env::temp_dir).join("azdo-gateway-loadtest").join("venv")
}

/// How it is started, and which one it is.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

impl Options {
    /// The program, or the line that installs it.
    pub(super) fn found(
        &self,
        kind: Kind,
        ground: &Ground,
    ) -> anyhow::Result<Result<Program, String>> {
        let (path, argument) = match kind {
            Kind::Gateway => (ground.program()?, "--version"),
            Kind::Webhook => (self.webhook.clone(), "-version"),
            Kind::Buildbot => (self.venv.join("bin/buildbot"), "--version"),
            Kind::Flask => (self.venv.join("bin/gunicorn"), "--version"),
        };
        Ok(match (version(&path, argument), kind) {
            (Some(version), _) => Ok(Program { path, version }),
            (None, Kind::Webhook) => Err(DEBIAN.to_owned()),
            (None, _) => Err(self.line()),
        })
    }

    fn line(&self) -> String {
        let venv = self.venv.display();
        format!("python3 -m venv {venv} && {venv}/bin/pip install {}", PACKAGES.join(" "))
    }

    pub(super) fn install_if_wanted(&self) -> anyhow::Result<()> {
        if !self.install {
            return Ok(());
        }
        if version(&self.webhook, "-version").is_none() {
            carry_out(DEBIAN)?;
        }
        let programs = ["bin/buildbot", "bin/gunicorn"];
        if programs.iter().any(|name| version(&self.venv.join(name), "--version").is_none()) {
            carry_out(&self.line())?;
        }
        Ok(())
    }
}

fn carry_out(line: &str) -> anyhow::Result<()> {
    println!("{line}");
    let status = Command::new("sh").args(["-c", line]).status().context("there is no sh")?;
    ensure!(status.success(), "`{line}` failed");
    Ok(())
}

/// The first line that it prints of itself, shortened to the number.
fn version(path: &Path, argument: &str) -> Option<String> {
    let output = Command::new(path).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().unwrap_or_default();
    let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    let number = first.split([' ', ')']).find(is_number).unwrap_or(first).to_owned();
    output.status.success().then_some(number)
}
