//! What a run leaves behind for later comparison: one JSON document, and its charts as SVG. It must
//! never measure.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::chart::Chart;
use crate::machine::Machine;
use crate::report::Verdict;

/// Counted on whenever a field changes its meaning.
const FORMAT: u32 = 1;

/// Options of every profile.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Output {
    /// Write everything that was measured to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw what was measured into this folder, as SVG.
    #[arg(long)]
    plots: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document<'a, T> {
    format: u32,
    profile: &'a str,
    ended_at: String,
    machine: &'a Machine,
    /// Whether nothing was lost, doubled or wrong.
    verified: bool,
    verdicts: &'a [Verdict],
    measured: &'a T,
}

impl Output {
    /// Writes what was asked for. Charts are named after their profile and themselves.
    pub(crate) fn write<T: Serialize>(
        &self,
        profile: &str,
        folder: &Path,
        verified: bool,
        verdicts: &[Verdict],
        measured: &T,
        charts: &[(&str, Chart)],
    ) -> anyhow::Result<()> {
        if let Some(path) = &self.json {
            let machine = &Machine::look(folder)?;
            let ended_at = OffsetDateTime::now_utc().format(&Rfc3339)?;
            let document = Document {
                format: FORMAT,
                profile,
                ended_at,
                machine,
                verified,
                verdicts,
                measured,
            };
            std::fs::write(path, serde_json::to_vec_pretty(&document)?)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        if let Some(folder) = &self.plots {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
            for (name, chart) in charts {
                let path = folder.join(format!("{profile}-{name}.svg"));
                std::fs::write(&path, chart.to_svg())
                    .with_context(|| format!("{} cannot be written", path.display()))?;
                println!("drawn: {}", path.display());
            }
        }
        Ok(())
    }
}
