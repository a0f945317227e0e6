//! The handler that stores nothing, as `accept` measures it: on one core, the generator on the
//! other. The lives before and after it have both cores. It must never run beside them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use crate::bodies::Bodies;
use crate::children::{Server, free_address};
use crate::connections::{Target, load};
use crate::phase::{Phase, measure};
use crate::processor;

const WARM_UP: Duration = Duration::from_millis(500);
/// As `accept` has them.
const CONNECTIONS: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Bare {
    server: Server,
    target: Rc<Target>,
    is_pinned: bool,
}

impl Bare {
    pub(super) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let is_pinned = processor::can_pin();
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", "--listen", &address.to_string()]);
        let errors_to = std::fs::File::create(folder.join("bare.log"))?;
        let mut server =
            Server::start("the bare handler", &command, address, is_pinned, errors_to)?;
        server.wait_until_alive().await?;
        let bodies = Rc::new(Bodies::new());
        let path = "/hooks/azure-devops/contoso/loadtest";
        let target = Rc::new(Target::new(address, path, "Basic bm9ib2R5", bodies));
        Ok(Self { server, target, is_pinned })
    }

    pub(super) async fn measure(&self, time: Duration) -> anyhow::Result<Phase> {
        let is_pinned = self.is_pinned && processor::pin_generator();
        load(&self.target, CONNECTIONS, WARM_UP).await?;
        let measured = measure(&self.target, self.server.id(), CONNECTIONS, time).await;
        if is_pinned {
            release()?;
        }
        Ok(measured?.0)
    }
}

/// Lets this process use every core again.
fn release() -> anyhow::Result<()> {
    let last = processor::GENERATOR;
    let status = Command::new("taskset")
        .args(["-cp", &format!("0-{last}"), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()?;
    anyhow::ensure!(status.success(), "this process is still bound to a core");
    Ok(())
}
