//! The bare handler that the gateway is compared with: it reads the whole body and answers 202.
//!
//! It runs in its own process with the settings of the gateway's server, so that the difference is
//! what storing and understanding deliveries costs.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use actix_web::web::{self, BytesMut, Payload};
use actix_web::{App, HttpResponse, HttpServer};
use clap::Args;
use futures_util::StreamExt;

use crate::bodies::Bodies;
use crate::cores;
use crate::deliveries::{Deliveries, Hook, Sending};
use crate::pace::Pace;
use crate::phase;
use crate::processes::Processes;
use crate::rounds::Measurement;
use crate::server::{Server, free_address};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
}

/// The running handler, as other profiles measure it.
#[derive(Debug)]
pub(crate) struct Bare {
    server: Server,
    deliveries: Rc<Deliveries>,
}

impl Bare {
    pub(crate) async fn start(bodies: &Rc<Bodies>, pinned: bool) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", "--listen", &address.to_string()]);
        let (cores, errors_to) = (pinned.then(|| cores::of_replica(0)), Stdio::inherit());
        let mut server = Server::start("the bare handler", &command, address, cores, errors_to)?;
        server.wait_for("/livez").await?;
        let hook = Hook {
            path: "/hooks/azure-devops/contoso/loadtest".to_owned(),
            authorization: "Basic bm9ib2R5Om5vdGhpbmc=".to_owned(),
        };
        let deliveries = Deliveries::new(address, &[hook], bodies, Sending::Once)?;
        Ok(Self { server, deliveries: Rc::new(deliveries) })
    }

    /// Loads it in a closed loop.
    pub(crate) async fn measure(
        &self,
        subject: &str,
        connections: usize,
        time: Duration,
    ) -> anyhow::Result<Measurement> {
        let pace = || Pace::closed(time);
        let processes = Processes::of(self.server.id());
        Ok(phase::measure(subject, &self.deliveries, &processes, connections, pace).await?.0)
    }
}

/// Serves until it is killed.
pub(crate) async fn serve(options: &Options) -> anyhow::Result<()> {
    let workers = std::thread::available_parallelism()?.get();
    let app = || {
        App::new()
            .route("/livez", web::get().to(HttpResponse::Ok))
            .route("/hooks/azure-devops/{organization}/{hook}", web::post().to(receive))
    };
    let server = HttpServer::new(app)
        .workers(workers)
        .keep_alive(Duration::from_secs(75))
        .bind(options.listen)?;
    Ok(server.run().await?)
}

async fn receive(mut payload: Payload) -> HttpResponse {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        match chunk {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(_) => return HttpResponse::BadRequest().finish(),
        }
    }
    HttpResponse::Accepted().finish()
}
