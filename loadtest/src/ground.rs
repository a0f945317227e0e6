//! What is measured and where: options that the profiles have in common, and a gateway that already
//! holds so many deliveries. It must never load it.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Args;
use tempfile::TempDir;

use crate::bodies::Bodies;
use crate::children::Server;
use crate::connections::Target;
use crate::filler;
use crate::gateway::{Gateway, Setting};

/// Which program, on which disk.
#[derive(Clone, Debug, Args)]
pub(crate) struct Ground {
    /// The binary to measure, instead of the one beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Where the temporary folder is made, and with it which disk is measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) folder: PathBuf,
}

impl Ground {
    pub(crate) fn folder(&self) -> std::io::Result<TempDir> {
        tempfile::Builder::new().prefix("loadtest-").tempdir_in(&self.folder)
    }

    pub(crate) fn program(&self) -> std::io::Result<PathBuf> {
        match &self.gateway {
            Some(program) => Ok(program.clone()),
            None => Ok(std::env::current_exe()?.with_file_name("azdo-gateway")),
        }
    }
}

/// A gateway with a folder of its own, which goes with it.
#[derive(Debug)]
pub(crate) struct Stocked {
    /// Deliveries that it held before anything was measured.
    pub(crate) stored: u64,
    pub(crate) gateway: Gateway,
    pub(crate) fill_seconds: f64,
    /// Removed when this goes.
    _folder: TempDir,
}

impl Stocked {
    /// Fills it while it does not run.
    pub(crate) async fn prepare(
        ground: &Ground,
        stored: u64,
        setting: Setting,
    ) -> anyhow::Result<Self> {
        let folder = ground.folder()?;
        let gateway = Gateway::prepare(&ground.program()?, folder.path(), setting)?;
        let begun = Instant::now();
        filler::fill(&gateway, stored).await?;
        Ok(Self { stored, gateway, fill_seconds: begun.elapsed().as_secs_f64(), _folder: folder })
    }

    /// Starts it, and says how long it took to answer.
    pub(crate) async fn serve(&self, pinned: bool) -> anyhow::Result<(Server, Duration)> {
        let begun = Instant::now();
        let mut server = self.gateway.serve(pinned)?;
        server.wait_until_alive().await?;
        Ok((server, begun.elapsed()))
    }

    pub(crate) fn target(
        &self,
        server: &Server,
        bodies: &Rc<Bodies>,
    ) -> anyhow::Result<Rc<Target>> {
        let hook = self.gateway.hook()?;
        let bodies = Rc::clone(bodies);
        let target = Target::new(server.address, &hook.path, &hook.authorization, bodies);
        Ok(Rc::new(target))
    }

    /// The last line of its log, for whoever has to find out why it ended.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.gateway.log()).unwrap_or_default();
        log.trim_end().lines().next_back().unwrap_or("nothing").to_owned()
    }
}
