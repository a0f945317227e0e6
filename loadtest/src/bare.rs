//! The handler that the gateway is compared with: reads the whole body and answers 202.
//!
//! It runs in a process of its own with the settings of the gateway's server, so that the
//! difference is what durability and understanding cost. It must never look at a body.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web::{self, BytesMut, Payload};
use actix_web::{App, HttpResponse, HttpServer};
use clap::Args;
use futures_util::StreamExt;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
}

/// Serves until it is killed.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
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
