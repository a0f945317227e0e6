//! Commands in comments on pull requests, such as `/retest`: which lines of a comment are commands.
//!
//! A command is a line of its own, in ASCII. What is quoted, code or hidden is no command, so that
//! nobody commands by talking about commands.

use std::fmt;

/// Commands of one comment that count; what follows is passed over.
pub const COMMANDS_MAX: usize = 10;
/// Characters of the name of a check, its genre included, and of anything else after a command.
const ARGUMENT_CHARS_MAX: usize = 250;

/// What somebody wants done about a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run a check again: the named one, else each that did not succeed.
    Retest(Option<String>),
    /// End the runs of a check, or all.
    Cancel(Option<String>),
    /// Approve the code of a fork: the commit that begins like this, else the head that was there.
    OkToTest(Option<String>),
    Status,
    Help,
}

impl Command {
    /// The word that a line begins with.
    pub fn word(&self) -> &'static str {
        match self {
            Command::Retest(_) => "/retest",
            Command::Cancel(_) => "/cancel",
            Command::OkToTest(_) => "/ok-to-test",
            Command::Status => "/status",
            Command::Help => "/help",
        }
    }

    fn argument(&self) -> Option<&str> {
        match self {
            Command::Retest(name) | Command::Cancel(name) | Command::OkToTest(name) => {
                name.as_deref()
            }
            Command::Status | Command::Help => None,
        }
    }

    /// The command that this line is.
    fn of_line(line: &str) -> Option<Command> {
        // Four columns of indentation make code.
        let text = line.trim_start_matches(' ');
        if line.len() - text.len() > 3 {
            return None;
        }
        let text = text.trim_end_matches([' ', '\t', '\r']);
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let rest = rest.trim_matches([' ', '\t']);
        if rest.chars().count() > ARGUMENT_CHARS_MAX {
            return None;
        }
        let argument = Some(rest).filter(|rest| !rest.is_empty()).map(str::to_owned);
        let is = |command: &str| word.eq_ignore_ascii_case(command);
        match argument {
            argument if is("/retest") => Some(Command::Retest(argument)),
            argument if is("/cancel") => Some(Command::Cancel(argument)),
            argument if is("/ok-to-test") => Some(Command::OkToTest(argument)),
            None if is("/status") => Some(Command::Status),
            None if is("/help") => Some(Command::Help),
            _ => None,
        }
    }

    fn is_same(&self, other: &Command) -> bool {
        let argument = |of: &Command| of.argument().map(str::to_lowercase);
        self.word() == other.word() && argument(self) == argument(other)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())?;
        self.argument().map_or(Ok(()), |argument| write!(out, " {argument}"))
    }
}

/// The commands of a comment in its order, each once, [`COMMANDS_MAX`] at most.
pub fn commands(content: &str) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    let mut fence: Option<Fence> = None;
    for line in without_hidden(content).lines() {
        match (&fence, Fence::of_line(line)) {
            (None, Some(opened)) => fence = Some(opened),
            (Some(open), Some(closes)) if open.is_closed_by(&closes) => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                if let Some(command) = Command::of_line(line)
                    && !found.iter().any(|known| known.is_same(&command))
                {
                    found.push(command);
                }
                if found.len() == COMMANDS_MAX {
                    break;
                }
            }
        }
    }
    found
}

/// The content without its HTML comments, of which one that is not closed reaches to the end.
fn without_hidden(content: &str) -> String {
    let mut shown = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((before, after)) = rest.split_once("<!--") {
        shown.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    shown
}

/// A line that begins or ends a block of code.
struct Fence {
    mark: char,
    length: usize,
    /// Words follow, so it begins a block.
    has_words: bool,
}

impl Fence {
    fn of_line(line: &str) -> Option<Fence> {
        let text = line.trim();
        let mark = text.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let words = text.trim_start_matches(mark);
        let length = text.len() - words.len();
        (length >= 3).then_some(Fence { mark, length, has_words: !words.is_empty() })
    }

    fn is_closed_by(&self, other: &Fence) -> bool {
        self.mark == other.mark && other.length >= self.length && !other.has_words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &str) -> Vec<String> {
        commands(content).iter().map(Command::to_string).collect()
    }

    #[test]
    fn a_command_is_a_line_of_its_own_in_any_case() {
        let table: [(&str, &[&str]); 14] = [
            ("/retest", &["/retest"]),
            ("/ReTest  ci/unit tests \r\nthanks", &["/retest ci/unit tests"]),
            ("   /cancel\tlint", &["/cancel lint"]),
            (
                "Please\n/ok-to-test 1234abcd\n/status\n/HELP",
                &["/ok-to-test 1234abcd", "/status", "/help"],
            ),
            ("please /retest", &[]),
            ("/retests", &[]),
            ("/ retest", &[]),
            ("//retest", &[]),
            ("- /retest", &[]),
            ("`/retest`", &[]),
            ("/help me", &[]),
            ("> /retest", &[]),
            ("", &[]),
            ("/", &[]),
        ];
        for (content, wanted) in table {
            assert_eq!(of(content), wanted, "{content:?}");
        }
    }

    #[test]
    fn code_and_what_is_hidden_is_no_command() {
        let table: [(&str, &[&str]); 10] = [
            ("```\n/retest\n```", &[]),
            ("```sh\n/retest\n```\n/cancel", &["/cancel"]),
            ("~~~\n/retest\n```\n/retest\n~~~\n/help", &["/help"]),
            ("````\n```\n/retest\n````\n/help", &["/help"]),
            ("```\n``` sh\n/retest", &[]),
            ("    /retest", &[]),
            ("\t/retest", &[]),
            ("<!-- \n/retest\n-->\n/help", &["/help"]),
            ("<!--\n/retest", &[]),
            ("<!-- a --><!-- b -->/retest", &["/retest"]),
        ];
        for (content, wanted) in table {
            assert_eq!(of(content), wanted, "{content:?}");
        }
    }

    #[test]
    fn characters_that_look_alike_make_no_command() {
        for content in [
            "\u{ff0f}retest",
            "\u{2215}retest",
            "/r\u{0435}test",
            "/re\u{200b}test",
            "/retest\u{200b}",
            "/retest\u{a0}unit",
            "\u{202e}/retest",
            "\u{feff}/retest",
            "\u{2003}/retest",
            "/ok\u{2010}to\u{2010}test",
            "/\u{212a}elp",
        ] {
            assert_eq!(of(content), [""; 0], "{content:?}");
        }
    }

    #[test]
    fn a_hundred_commands_are_ten_and_the_same_one_is_one() {
        let lines: Vec<_> = (0..100).map(|n| format!("/retest check {n}")).collect();
        assert_eq!(of(&lines.join("\n")).len(), COMMANDS_MAX);
        assert_eq!(of(&"/retest Unit\n/RETEST unit\n".repeat(50)), ["/retest Unit"]);
        assert_eq!(of(&format!("/retest {}", "x".repeat(251))), [""; 0]);
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_comment_holds_is_read(content in "(?s)[ \t\r\n/a-z`~<>!-]{0,200}") {
            proptest::prop_assert!(commands(&content).len() <= COMMANDS_MAX);
        }
    }
}
