//! `GET /v1/proof/{challenge}`: the gateway proves that it has the root key.
//!
//! The command line asks before it sends a token, so that no other process at the address of a
//! gateway that does not run gets one. Anybody may ask: a proof says nothing about the key, and is
//! of use to nobody but the caller who chose the challenge.

use std::any::Any;
use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde_json::{Value, json};

use super::Components;
use super::problem::Problem;
use crate::secret::Keyring;

const CHALLENGE_CHARS_MAX: usize = 100;

/// The address of the gateway that a connection was made to.
#[derive(Clone, Copy, Debug)]
struct ReachedAt(SocketAddr);

/// Notes at which address a connection reached the gateway.
pub(super) fn note_address(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<TcpStream>();
    if let Some(Ok(address)) = stream.map(TcpStream::local_addr) {
        data.insert(ReachedAt(address));
    }
}

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let keys = Data::new(components.deps.keys.clone());
    move |config| {
        config.app_data(keys.clone()).route("/v1/proof/{challenge}", web::get().to(prove));
    }
}

async fn prove(
    request: HttpRequest,
    challenge: Path<String>,
    keys: Data<Keyring>,
) -> Result<Json<Value>, Problem> {
    if challenge.len() > CHALLENGE_CHARS_MAX {
        return Err(Problem::field("challenge", "at most 100 characters are needed"));
    }
    let address = request.conn_data::<ReachedAt>();
    let ReachedAt(address) =
        address.ok_or_else(|| Problem::busy("the address of the connection is not known"))?;
    let proof = keys.gateway_proof(&challenge, *address);
    Ok(Json(json!({ "proof": proof.expose() })))
}
