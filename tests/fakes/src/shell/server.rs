//! From the socket to a world and back.
//!
//! Worlds see plain values and no web framework. This file also does to connections what a fault
//! requires, such as closing them; which fault applies is decided by the rules of the world.

use std::any::Any;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::dev::{Extensions, Server};
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use super::clock::machine_ms;
use super::worlds::Worlds;
use crate::faults::Action;
use crate::http::{Release, Request, Response};
use crate::neighbour::Neighbour;
use crate::{control, entra};

const BODY_LIMIT_BYTES: usize = 8 * 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Which world a request is for.
#[derive(Clone, PartialEq, Eq)]
enum Addressee {
    Ado,
    Ci,
    Entra,
    /// The CI system of that name.
    System(String),
}

impl Worlds {
    /// The time by the clock of that world.
    fn time_of(&self, to: &Addressee) -> i64 {
        match to {
            Addressee::Ado | Addressee::Entra => self.now_ms(),
            Addressee::Ci | Addressee::System(_) => machine_ms(),
        }
    }

    fn with<T>(&self, to: &Addressee, act: impl FnOnce(&mut dyn Neighbour) -> T) -> T {
        match to {
            Addressee::Ado => act(&mut *self.ado()),
            Addressee::Ci => act(&mut *self.ci()),
            Addressee::Entra => {
                let result = act(&mut *self.entra());
                self.pass_on_issued_tokens();
                result
            }
            Addressee::System(name) => match self.systems().get_mut(name) {
                Some(system) => act(&mut **system),
                None => unreachable!("systems are never removed"),
            },
        }
    }
}

/// A second handle to the socket of a connection, to close it without an answer.
#[derive(Debug)]
struct Socket(TcpStream);

/// The server, not yet running.
pub(super) fn listen(worlds: &Arc<Worlds>, listener: TcpListener) -> std::io::Result<Server> {
    let worlds = Arc::clone(worlds);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&worlds)))
            .app_data(web::PayloadConfig::new(BODY_LIMIT_BYTES))
            .default_service(web::to(serve))
    });
    let server = server
        .workers(1)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(Duration::ZERO)
        .shutdown_timeout(0)
        .disable_signals()
        .on_connect(remember_socket)
        .listen(listener)?;
    Ok(server.run())
}

fn remember_socket(connection: &dyn Any, data: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>()
        && let Ok(copy) = stream.as_fd().try_clone_to_owned()
    {
        data.insert(Socket(TcpStream::from(copy)));
    }
}

async fn serve(http: HttpRequest, body: web::Bytes, worlds: web::Data<Worlds>) -> HttpResponse {
    let mut request = plain(&http, &body);
    let first = request.path.split('/').nth(1).unwrap_or_default().to_owned();
    let to = match first.as_str() {
        "_fake" if request.path == "/_fake/clock" && request.method == "POST" => {
            return advanced(&worlds, &request).await;
        }
        "_fake" => return controlled(&worlds, &request),
        "ci" => Addressee::Ci,
        name if worlds.systems().contains_key(name) => {
            request.path = request.path.split_off(1 + name.len());
            Addressee::System(name.to_owned())
        }
        _ if entra::World::serves(&request) => Addressee::Entra,
        _ => Addressee::Ado,
    };
    let fault = worlds.with(&to, |world| world.faults().decide(&request));
    let Some(fault) = fault else {
        let response = worlds.with(&to, |world| world.handle(&request, worlds.time_of(&to)));
        worlds.changed();
        return released(&worlds, response).await;
    };
    answer_with_fault(&worlds, &http, &request, &to, fault).await
}

/// The answer while a fault applies.
async fn answer_with_fault(
    worlds: &Worlds,
    http: &HttpRequest,
    request: &Request,
    to: &Addressee,
    fault: Action,
) -> HttpResponse {
    let name = format!("{} {}", request.method, request.path);
    match fault {
        Action::DelayMs(wait_ms) => {
            // A shell that stops does not wait for the delay.
            let wait = tokio::time::sleep(Duration::from_millis(wait_ms));
            worlds.stopped.run_until_cancelled(wait).await.unwrap_or_default();
        }
        Action::Hold { before: true } => held(worlds, name.clone()).await,
        _ => {}
    }
    let response =
        worlds.with(to, |world| world.handle_with_fault(request, &fault, worlds.time_of(to)));
    worlds.changed();
    if fault == (Action::Hold { before: false }) {
        held(worlds, name).await;
    }
    let unanswered = matches!(fault, Action::DropBefore | Action::DropAfter);
    match response.filter(|_| !unanswered) {
        None => closed(http),
        Some(response) if fault == Action::TruncateBody => truncated(response),
        Some(response) => released(worlds, response).await,
    }
}

/// Holds a request until the test releases it or the shell stops.
async fn held(worlds: &Worlds, name: String) {
    let released = worlds.held.hold(name);
    worlds.stopped.run_until_cancelled(released).await.unwrap_or_default();
}

/// Closes the connection, so that the response is never sent.
fn closed(http: &HttpRequest) -> HttpResponse {
    match http.conn_data::<Socket>() {
        Some(Socket(stream)) => {
            // An error means that the peer has closed the connection already.
            drop(stream.shutdown(Shutdown::Both));
            HttpResponse::InternalServerError().finish()
        }
        None => HttpResponse::InternalServerError().body("the fake cannot close this connection"),
    }
}

fn controlled(worlds: &Worlds, request: &Request) -> HttpResponse {
    let response = {
        let mut entra = worlds.entra();
        let (mut ado, mut ci) = (worlds.ado(), worlds.ci());
        ado.set_now(worlds.now_ms());
        entra.set_now(worlds.now_ms());
        control::handle(&mut ado, &mut ci, &mut entra, request)
    };
    worlds.changed();
    rendered(&response).body(response.body)
}

/// Advances the clock, which is the shell's and not of any world.
async fn advanced(worlds: &Worlds, request: &Request) -> HttpResponse {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let response = match body.get("seconds").and_then(Value::as_u64) {
        Some(seconds) => {
            let by = Duration::from_secs(seconds);
            worlds.stopped.run_until_cancelled(worlds.advance(by)).await.unwrap_or_default();
            Response::json(200, &json!({"now": crate::timestamp::rfc3339(worlds.now_ms())}))
        }
        None => Response::json(400, &json!({"complaint": "seconds is missing"})),
    };
    rendered(&response).body(response.body)
}

/// Waits as long as the answer is to be withheld: at the longest until the shell stops, as a server
/// that hangs does not give up before its caller.
async fn released(worlds: &Worlds, response: Response) -> HttpResponse {
    match &response.release {
        Release::Now => {}
        Release::Never => worlds.stopped.cancelled().await,
        Release::AfterReportOf(run) => {
            let reported = worlds.until(|_, ci| ci.is_reported(run));
            worlds.stopped.run_until_cancelled(reported).await.unwrap_or_default();
        }
    }
    rendered(&response).body(response.body)
}

/// Announces the length of the whole body and sends half of it.
fn truncated(response: Response) -> HttpResponse {
    let length = response.body.len() as u64;
    let half = response.body.get(..response.body.len() / 2).unwrap_or_default().to_vec();
    let parts = futures_util::stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) => Some((Ok(web::Bytes::from(half)), None)),
            None => {
                // The first half is sent before the error breaks the connection.
                tokio::task::yield_now().await;
                Some((Err(std::io::Error::other("the fake closes the connection")), None))
            }
        }
    });
    rendered(&response).body(SizedStream::new(length, Box::pin(parts)))
}

fn rendered(response: &Response) -> actix_web::HttpResponseBuilder {
    let status = StatusCode::from_u16(response.status);
    let mut builder = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &response.headers {
        builder.append_header((name.as_str(), value.as_str()));
    }
    builder
}

fn plain(http: &HttpRequest, body: &web::Bytes) -> Request {
    let target = http.uri().path_and_query().map_or("/", |target| target.as_str());
    let headers = http.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Request {
        headers: headers.collect(),
        body: body.to_vec(),
        ..Request::new(http.method().as_str(), target)
    }
}
