//! One session of `psql` that stays open, so that a question costs no process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, ensure};

/// Printed after the answers of each question.
const END: &str = "end of the answers";

/// Whom it asks, and as whom. Questions wait for each other.
#[derive(Clone, Debug)]
pub(super) struct Psql {
    /// Without the password.
    url: String,
    password: String,
    session: Arc<Mutex<Option<Session>>>,
}

#[derive(Debug)]
struct Session {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Psql {
    pub(super) fn new(url: String, password: String) -> Self {
        Self { url, password, session: Arc::default() }
    }

    /// What statements print, one row a line with `|` between columns. All of them have to succeed.
    pub(super) fn ask_now(&self, text: &str) -> anyhow::Result<String> {
        let mut open = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = match open.take() {
            Some(session) => session,
            None => Session::begin(&self.url, &self.password)?,
        };
        let answer = session.ask(text)?;
        // After an error the session has ended.
        *open = Some(session);
        Ok(answer)
    }

    /// Opens a new session for the next question.
    pub(super) fn forget(&self) {
        drop(self.session.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The same as [`Self::ask_now`] without holding up others meanwhile.
    pub(super) async fn ask(&self, text: &str) -> anyhow::Result<String> {
        let (psql, text) = (self.clone(), text.to_owned());
        tokio::task::spawn_blocking(move || psql.ask_now(&text)).await.context("psql panicked")?
    }
}

impl Session {
    fn begin(url: &str, password: &str) -> anyhow::Result<Self> {
        let mut child = Command::new("psql")
            .args(["--no-psqlrc", "--no-password", "--quiet", "--no-align", "--tuples-only"])
            .args(["--file=-", "--set=ON_ERROR_STOP=1"])
            .arg(format!("--dbname={url}"))
            .env("PGPASSWORD", password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start psql: is PostgreSQL's client installed?")?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (to, from) = to.zip(from).context("psql without pipes")?;
        Ok(Self { child, to, from: BufReader::new(from) })
    }

    fn ask(&mut self, text: &str) -> anyhow::Result<String> {
        // Without a connection psql ends before it has read anything, and says so itself.
        let asked = writeln!(self.to, "{text}\n;\n\\echo {END}").and_then(|()| self.to.flush());
        asked.context("psql has ended")?;
        let mut answer = String::new();
        loop {
            let begin = answer.len();
            let read = self.from.read_line(&mut answer)?;
            let line = answer.get(begin..).unwrap_or_default();
            ensure!(read > 0, "psql ended at: {text}");
            if line.trim_end() == END {
                answer.truncate(begin);
                return Ok(answer.trim_end().to_owned());
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
