//! What the end of a command means for its run, and the words of its status.

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started: why.
    NotStarted(String),
    /// Nobody knows: what watched over it has ended before it.
    Lost,
}

impl Ended {
    /// As `supervise` prints it in one line.
    pub(super) fn to_line(&self) -> String {
        match self {
            Ended::Exit(code) => format!("exit {code}\n"),
            Ended::Signal(signal) => format!("signal {signal}\n"),
            Ended::NotStarted(why) => format!("not-started {}\n", why.replace('\n', " ")),
            Ended::Lost => String::new(),
        }
    }

    /// Reads what `supervise` has printed.
    pub(super) fn parse(printed: &str) -> Self {
        let Some((word, rest)) = printed.strip_suffix('\n').and_then(|line| line.split_once(' '))
        else {
            return Ended::Lost;
        };
        match (word, rest.parse::<i32>()) {
            ("exit", Ok(code)) => Ended::Exit(code),
            ("signal", Ok(signal)) => Ended::Signal(signal),
            ("not-started", _) => Ended::NotStarted(rest.to_owned()),
            _ => Ended::Lost,
        }
    }

    /// The state that is reported: succeeded, failed or errored. With exit code 75 (`EX_TEMPFAIL`)
    /// a command says that it could not find out.
    pub(super) fn state(&self) -> &'static str {
        match self {
            Ended::Exit(0) => "succeeded",
            Ended::Exit(75) | Ended::Signal(_) | Ended::NotStarted(_) | Ended::Lost => "errored",
            Ended::Exit(_) => "failed",
        }
    }

    /// The words of the status: the command's own, else the last line of its output. What no
    /// command can say about itself comes first. None where there is nothing to say.
    pub(super) fn words(&self, own: Option<&str>, last_line: Option<&str>) -> Option<String> {
        let with = |begin: String| match own.or(last_line) {
            Some(words) => format!("{begin}: {words}"),
            None => begin,
        };
        match self {
            Ended::Exit(0) => own.or(last_line).map(str::to_owned),
            Ended::Exit(code) => {
                let words = own.map(str::to_owned);
                Some(words.unwrap_or_else(|| with(format!("Exit code {code}"))))
            }
            Ended::Signal(signal) => Some(with(format!("Ended by {}", signal_name(*signal)))),
            Ended::NotStarted(why) => Some(format!("The command cannot be started: {why}")),
            Ended::Lost => Some(with("The runner has lost the command".to_owned())),
        }
    }
}

/// `SIGSEGV` for 11, as Linux numbers them.
fn signal_name(signal: i32) -> String {
    const NAMES: [(i32, &str); 15] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
        (24, "SIGXCPU"),
        (25, "SIGXFSZ"),
        (31, "SIGSYS"),
    ];
    let known = NAMES.iter().find(|(number, _)| *number == signal);
    known.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_decides_the_state() {
        for (ended, state) in [
            (Ended::Exit(0), "succeeded"),
            (Ended::Exit(1), "failed"),
            (Ended::Exit(75), "errored"),
            (Ended::Exit(137), "failed"),
            (Ended::Signal(9), "errored"),
            (Ended::NotStarted("no such file".into()), "errored"),
            (Ended::Lost, "errored"),
        ] {
            assert_eq!(ended.state(), state, "{ended:?}");
        }
    }

    #[test]
    fn words_are_the_commands_own_or_its_last_line() {
        for (ended, own, last_line, words) in [
            (Ended::Exit(0), None, None, None),
            (Ended::Exit(0), None, Some("412 passed"), Some("412 passed")),
            (Ended::Exit(0), Some("fine"), Some("412 passed"), Some("fine")),
            (Ended::Exit(2), None, None, Some("Exit code 2")),
            (Ended::Exit(2), None, Some("1 failed"), Some("Exit code 2: 1 failed")),
            (Ended::Exit(2), Some("1 of 9 failed"), Some("bye"), Some("1 of 9 failed")),
            (Ended::Signal(11), Some("3 of 9"), None, Some("Ended by SIGSEGV: 3 of 9")),
            (Ended::Signal(64), None, None, Some("Ended by signal 64")),
        ] {
            let said = ended.words(own, last_line);
            assert_eq!(said.as_deref(), words, "{ended:?} {own:?} {last_line:?}");
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        for ended in [
            Ended::Exit(3),
            Ended::Signal(15),
            Ended::NotStarted("no such file: x y".into()),
            Ended::Lost,
        ] {
            assert_eq!(Ended::parse(&ended.to_line()), ended);
        }
        for printed in ["exit 3", "exit x\n", "?\n", "\n"] {
            assert_eq!(Ended::parse(printed), Ended::Lost, "{printed:?}");
        }
    }
}
