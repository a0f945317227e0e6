//! `azdo-gateway completions`: prints the script with which a shell completes commands and options.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;
use super::output::coloured_line;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway completions bash >/etc/bash_completion.d/azdo-gateway
  azdo-gateway completions zsh >~/.zfunc/_azdo-gateway
  azdo-gateway completions fish >~/.config/fish/completions/azdo-gateway.fish
  azdo-gateway completions powershell | Out-String | Invoke-Expression")]
pub(super) struct Completions {
    /// The shell that reads the script.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> ExitCode {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "azdo-gateway", &mut script);
        // clap_complete 4.6 calls a program with a hyphen by two names in bash's script, which then
        // completes nothing behind a subcommand.
        let script = String::from_utf8_lossy(&script).replace("azdo__subcmd__", "azdo__");
        coloured_line(script.trim_end());
        ExitCode::SUCCESS
    }
}
