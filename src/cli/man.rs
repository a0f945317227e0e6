//! `azdo-gateway man`: the manual pages of the program and of each command.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};

use super::Cli;
use super::output::coloured_line;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway man | man -l -
  azdo-gateway man --out /usr/local/share/man/man1")]
pub(super) struct Man {
    /// Write the pages of all commands into this folder, instead of printing the page of the
    /// program.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// A manual page.
struct Page {
    /// Such as `azdo-gateway-runs-list.1`.
    file: String,
    /// In the language of `man`.
    text: String,
}

impl Man {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        let Some(folder) = &self.out else {
            coloured_line(page(program)?.text.trim_end());
            return Ok(ExitCode::SUCCESS);
        };
        let mut pages = Vec::new();
        add_pages(program, &mut pages)?;
        let cannot = || format!("cannot write to {}", folder.display());
        std::fs::create_dir_all(folder).with_context(cannot)?;
        for Page { file, text } in &pages {
            std::fs::write(folder.join(file), text).with_context(cannot)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Adds the page of a command, and those of its subcommands.
fn add_pages(command: Command, pages: &mut Vec<Page>) -> anyhow::Result<()> {
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        add_pages(subcommand.clone(), pages)?;
    }
    pages.push(page(command)?);
    Ok(())
}

/// The page has no date, so that the same source makes the same page.
fn page(command: Command) -> anyhow::Result<Page> {
    let program = concat!("azdo-gateway ", env!("CARGO_PKG_VERSION"));
    let man = clap_mangen::Man::new(command).source(program).manual("azdo-gateway");
    let mut text = Vec::new();
    man.render(&mut text)?;
    // What follows the options are examples, in every command; their lines stay as they are.
    let (from, to) = (".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n.nf\n");
    let text = String::from_utf8(text)?.replace(from, to);
    Ok(Page { file: man.get_filename(), text })
}
