//! Statements of a test, through `psql`.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use super::folder::Folder;

/// How long a statement may take, in seconds, before `psql` is ended.
const STATEMENT_MAX_S: u32 = 30;

/// Who asks a server, and where it listens.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Host and port.
    pub(crate) address: String,
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Server {
    /// The cluster of this test run, as its superuser.
    pub(crate) fn of_the_run() -> Self {
        let variable = |name| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!(
                    "{name} is not set: run the tests with cargo nextest, which starts a PostgreSQL"
                )
            })
        };
        let url = variable("AZDO_GATEWAY_TEST_POSTGRES");
        let rest = url.strip_prefix("postgres://").and_then(|rest| rest.split_once('@'));
        let (user, address) =
            rest.unwrap_or_else(|| panic!("{url} is not postgres://user@host:port"));
        Self {
            address: address.to_owned(),
            user: user.to_owned(),
            password: variable("AZDO_GATEWAY_TEST_POSTGRES_PASSWORD"),
        }
    }

    /// The address of a database, without the password.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{}@{}/{database}", self.user, self.address)
    }

    /// What statements print, one row a line with `|` between columns; or the error with its code.
    pub(crate) fn try_sql(&self, database: &str, text: &str) -> Result<String, String> {
        answer(self.begin_sql(database, text))
    }

    /// What statements print that have to succeed.
    #[track_caller]
    pub(crate) fn sql(&self, database: &str, text: &str) -> String {
        match self.try_sql(database, text) {
            Ok(printed) => printed,
            Err(error) => panic!("{text}: {error}"),
        }
    }

    /// Begins statements without waiting for their end.
    pub(crate) fn begin_sql(&self, database: &str, text: &str) -> Child {
        // The statements go through standard input: an argument list is seen by everybody, and some
        // of them hold passwords.
        let mut child = Command::new("timeout")
            .args([&STATEMENT_MAX_S.to_string(), "psql", "--no-psqlrc", "--no-password"])
            .args(["--quiet", "--no-align", "--tuples-only", "--file=-"])
            .args(["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose"])
            .arg(format!("--dbname={}", self.url(database)))
            .env("PGPASSWORD", &self.password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("timeout and psql are there");
        let mut input = child.stdin.take().expect("it is a pipe");
        // Without a connection psql ends before it has read anything.
        drop(input.write_all(text.as_bytes()));
        child
    }
}

/// What statements that were begun have printed, or their error.
pub(crate) fn answer(child: Child) -> Result<String, String> {
    let output = child.wait_with_output().expect("it is a child of this process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(text(&output.stdout)),
        Some(124) => Err(format!("no answer within {STATEMENT_MAX_S} s")),
        _ => Err(text(&output.stderr)),
    }
}

/// What another program of PostgreSQL's printed that runs a script against a database.
pub(crate) fn client_program(
    program: &str,
    server: &Server,
    database: &str,
    arguments: &[&str],
    script: &str,
) -> Output {
    let folder = Folder::new();
    std::fs::write(folder.join("script"), script).expect("the folder is writable");
    folder.give_to_server(&folder.join("script"));
    let mut command = folder.command(program);
    command.args(arguments).args(["--file=script", &server.url(database)]);
    command.env("PGPASSWORD", &server.password).output().expect("Python is there")
}
