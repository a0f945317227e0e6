//! What a run leaves behind: verdicts and problems on the terminal, and all numbers in one JSON
//! document for later comparison.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::machine::Machine;
use crate::rounds::Rounds;
use crate::verdict::{Verdict, print_verdicts};

/// Raised whenever a field changes its meaning.
const FORMAT: u32 = 2;
/// From this share of a core on, the process that uses it cannot go faster.
const FULL_CORE: f64 = 0.95;

/// What a profile hands back.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rounds: Rounds,
    pub(crate) verdicts: Vec<Verdict>,
    /// What was compared to find the problems.
    pub(crate) verified: String,
    /// What was lost, doubled or wrong; a run fails by these alone, and never by being slow.
    pub(crate) problems: Vec<String>,
    /// The settings of the database server, where there was one.
    pub(crate) database: Option<Value>,
}

impl Report {
    /// Prints it, and writes it to `json` with the machine whose disk holds `folder`.
    pub(crate) fn finish(self, json: Option<&PathBuf>, folder: &Path) -> anyhow::Result<ExitCode> {
        println!();
        if let Some(database) = &self.database {
            println!("database: {database}\n");
        }
        print_verdicts(&self.verdicts);
        self.print_doubts();
        let outcome = if self.problems.is_empty() { "as it should be" } else { "FAILED" };
        println!("\nverification: {}: {outcome}", self.verified);
        for problem in &self.problems {
            println!("  PROBLEM: {problem}");
        }
        if let Some(path) = json {
            let document = json!({
                "format": FORMAT,
                "command": std::env::args().collect::<Vec<_>>(),
                "ended_at": OffsetDateTime::now_utc().format(&Rfc3339)?,
                "machine": Machine::describe(folder)?,
                "report": self,
            });
            std::fs::write(path, serde_json::to_vec_pretty(&document)?)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(if self.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Why the numbers may say less than they seem to.
    fn print_doubts(&self) {
        let disturbed = self.rounds.all().filter(|one| one.is_disturbed).count();
        if disturbed > 0 {
            println!(
                "\nOther processes took too much of the cores in {disturbed} of {} measurements. \
                 These are left out; what has no calm measurement is not judged.",
                self.rounds.all().count()
            );
        }
        for one in self.rounds.all() {
            let cores = |figure| one.get(figure).unwrap_or_default();
            if cores("generator_cores") >= FULL_CORE && cores("server_cores") < FULL_CORE {
                println!(
                    "The generator was the limit in a measurement of {}: the server could have \
                     answered more, so ratios to it are too favourable.",
                    one.subject
                );
            }
        }
    }
}
