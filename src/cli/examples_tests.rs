//! Every command has examples in its help, and each of them is an example of that command.

use clap::{Command, CommandFactory};

use super::Cli;

/// The words of a line of a shell, as far as examples need it: before a pipe, without variables.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in line.trim().chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    let is_program = |word: &String| word == "azdo-gateway";
    let is_own = |word: &String| word != "|" && !word.starts_with('>');
    let words = words.into_iter().skip_while(|word| !is_program(word)).take_while(is_own);
    words.filter(|word| !word.is_empty()).collect()
}

/// The examples in the help of a command.
fn examples(command: &Command) -> Vec<Vec<String>> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let help = help.replace("\\\n", "");
    let lines = help.strip_prefix("Examples:\n").unwrap_or_default().lines();
    lines.take_while(|line| !line.is_empty()).map(words).collect()
}

fn check(command: &Command, path: &[&str]) {
    let examples = examples(command);
    assert!(!examples.is_empty(), "{path:?} has no examples");
    for example in examples {
        let matches = Cli::command().try_get_matches_from(&example);
        let matches = matches.unwrap_or_else(|error| panic!("{path:?}: {example:?}: {error}"));
        let (mut left, mut found) = (&matches, Vec::new());
        while let Some((name, below)) = left.subcommand() {
            found.push(name);
            left = below;
        }
        assert!(found.starts_with(path), "{path:?}: {example:?} is one of {found:?}");
    }
    for subcommand in command.get_subcommands() {
        check(subcommand, &[path, &[subcommand.get_name()]].concat());
    }
}

#[test]
fn every_command_has_examples_that_it_understands() {
    check(&Cli::command(), &[]);
}
