//! Asks questions on a terminal. They are written to standard error, so that standard output holds
//! nothing but the result.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::kinds::Kind;
use crate::printable::printable_lines;
use crate::secret::Secret;

/// Whether somebody can be asked.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Says something between two questions.
pub(super) fn tell(text: &str) {
    eprintln!("{}", printable_lines(text));
}

/// An answer; without one the default, and where there is none the question again.
pub(super) fn ask(question: &str, default: Option<&str>) -> anyhow::Result<String> {
    loop {
        let shown = default.map(|it| format!(" [{it}]")).unwrap_or_default();
        let answer = read(&format!("{question}{shown}: "))?;
        match (answer.as_str(), default) {
            ("", Some(default)) => return Ok(default.to_owned()),
            ("", None) => {}
            (answer, _) => return Ok(answer.to_owned()),
        }
    }
}

/// An answer, or none.
pub(super) fn ask_optional(question: &str) -> anyhow::Result<Option<String>> {
    let answer = read(&format!("{question} (may be empty): "))?;
    Ok(Some(answer).filter(|answer| !answer.is_empty()))
}

/// One of the kinds, by its number or its name.
pub(super) fn choose(
    question: &str,
    kinds: &'static [Kind],
) -> anyhow::Result<Option<&'static Kind>> {
    tell(&format!("\n{question}:"));
    for (number, kind) in (1..).zip(kinds) {
        tell(&format!("  {number}  {:18} {}", kind.name, kind.about));
    }
    let answer = ask("Number or name", Some("1"))?;
    let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let by_number = number.and_then(|at| kinds.get(at));
    Ok(by_number.or_else(|| kinds.iter().find(|kind| kind.name == answer)))
}

/// A secret, which the terminal does not show; none where it is to be brought later.
pub(super) fn ask_secret(question: &str) -> anyhow::Result<Option<Secret>> {
    let hidden = Hidden::begin();
    let answer = read(&format!("{question} (not shown; empty: later): "));
    drop(hidden);
    tell("");
    Ok(Some(answer?).filter(|answer| !answer.is_empty()).map(Secret::new))
}

fn read(prompt: &str) -> anyhow::Result<String> {
    eprint!("{}", printable_lines(prompt));
    io::stderr().flush()?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("there are no more answers; nothing was written");
    }
    Ok(line.trim().to_owned())
}

/// While it is there, the terminal does not show what is typed.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden).ok()?;
        Some(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if tcsetattr(io::stdin(), OptionalActions::Now, &self.0).is_err() {
            tell("the terminal does not show what is typed: type `stty sane`");
        }
    }
}
