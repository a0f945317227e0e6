//! From the socket to a world and back.
//!
//! The web framework ends here: worlds see plain values. This file also does to connections what a
//! fault demands; which fault strikes is decided by the world's rules.

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

use super::Shared;
use super::clock::machine_ms;
use crate::faults::{Action, Faults};
use crate::http::{Release, Request, Response};
use crate::{ado, ci, control, entra};

const BODY_LIMIT_BYTES: usize = 8 * 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A neighbour that can be asked.
trait World {
    fn faults(&mut self) -> &mut Faults;
    fn handle(&mut self, request: &Request, now_ms: i64) -> Response;
    fn faulty(&mut self, request: &Request, fault: &Action, now_ms: i64) -> Option<Response>;
}

macro_rules! is_a_world {
    ($world:ty) => {
        impl World for $world {
            fn faults(&mut self) -> &mut Faults {
                &mut self.faults
            }

            fn handle(&mut self, request: &Request, now_ms: i64) -> Response {
                <$world>::handle(self, request, now_ms)
            }

            fn faulty(&mut self, request: &Request, fault: &Action, at: i64) -> Option<Response> {
                self.handle_with_fault(request, fault, at)
            }
        }
    };
}

is_a_world!(ado::World);
is_a_world!(ci::World);
is_a_world!(entra::World);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Ado,
    Ci,
    Entra,
}

impl Shared {
    /// Now, by the clock of that side.
    fn time_of(&self, side: Side) -> i64 {
        if side == Side::Ci { machine_ms() } else { self.now_ms() }
    }

    fn with<T>(&self, side: Side, act: impl FnOnce(&mut dyn World) -> T) -> T {
        match side {
            Side::Ado => act(&mut *self.ado()),
            Side::Ci => act(&mut *self.ci()),
            Side::Entra => {
                let result = act(&mut *self.entra());
                self.carry_bearers();
                result
            }
        }
    }
}

/// A second handle on the socket of a connection, to close it without an answer.
#[derive(Debug)]
struct Socket(TcpStream);

/// The server, not yet running.
pub(super) fn listen(shared: &Arc<Shared>, listener: TcpListener) -> std::io::Result<Server> {
    let shared = Arc::clone(shared);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&shared)))
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

async fn serve(http: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let request = plain(&http, &body);
    let first = request.path.split('/').nth(1).unwrap_or_default();
    let side = match first {
        "_fake" if request.path == "/_fake/clock" && request.method == "POST" => {
            return passed(&shared, &request).await;
        }
        "_fake" => return controlled(&shared, &request),
        "ci" => Side::Ci,
        _ if entra::World::serves(&request) => Side::Entra,
        _ => Side::Ado,
    };
    let fault = shared.with(side, |world| world.faults().decide(&request));
    let Some(fault) = fault else {
        let response = shared.with(side, |world| world.handle(&request, shared.time_of(side)));
        shared.changed();
        return finished(&shared, response).await;
    };
    struck(&shared, &http, &request, side, fault).await
}

/// Does what a fault demands.
async fn struck(
    shared: &Shared,
    http: &HttpRequest,
    request: &Request,
    side: Side,
    fault: Action,
) -> HttpResponse {
    let name = format!("{} {}", request.method, request.path);
    match fault {
        Action::DelayMs(wait_ms) => {
            // A stopping shell does not wait for what it delays.
            let wait = tokio::time::sleep(Duration::from_millis(wait_ms));
            shared.stopped.run_until_cancelled(wait).await.unwrap_or_default();
        }
        Action::Hold { before: true } => shared.holds.hold(name.clone()).await,
        _ => {}
    }
    let response = shared.with(side, |world| world.faulty(request, &fault, shared.time_of(side)));
    shared.changed();
    if fault == (Action::Hold { before: false }) {
        shared.holds.hold(name).await;
    }
    let unanswered = matches!(fault, Action::DropBefore | Action::DropAfter);
    match response.filter(|_| !unanswered) {
        None => {
            if let Some(Socket(stream)) = http.conn_data::<Socket>() {
                // The peer may have closed it already, which is as good.
                drop(stream.shutdown(Shutdown::Both));
            }
            HttpResponse::InternalServerError().finish()
        }
        Some(response) if fault == Action::TruncateBody => truncated(response),
        Some(response) => finished(shared, response).await,
    }
}

fn controlled(shared: &Shared, request: &Request) -> HttpResponse {
    let response = {
        let mut entra = shared.entra();
        let (mut ado, mut ci) = (shared.ado(), shared.ci());
        ado.set_now(shared.now_ms());
        entra.set_now(shared.now_ms());
        control::handle(&mut ado, &mut ci, &mut entra, request)
    };
    shared.changed();
    rendered(&response).body(response.body)
}

/// Lets time pass for the worlds, which only the shell can.
async fn passed(shared: &Shared, request: &Request) -> HttpResponse {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let response = match body.get("seconds").and_then(Value::as_u64) {
        Some(seconds) => {
            let by = Duration::from_secs(seconds);
            shared.stopped.run_until_cancelled(shared.pass(by)).await.unwrap_or_default();
            Response::json(200, &json!({"now": crate::moment::written(shared.now_ms())}))
        }
        None => Response::json(400, &json!({"complaint": "seconds is missing"})),
    };
    rendered(&response).body(response.body)
}

/// Waits as long as the answer is to be withheld.
async fn finished(shared: &Shared, response: Response) -> HttpResponse {
    match &response.release {
        Release::Now => {}
        Release::Never => shared.stopped.cancelled().await,
        Release::AfterReportOf(run) => {
            let reported = shared.until(|_, ci| ci.is_reported(run));
            shared.stopped.run_until_cancelled(reported).await.unwrap_or_default();
        }
    }
    rendered(&response).body(response.body)
}

/// Announces the whole body and sends half of it.
fn truncated(response: Response) -> HttpResponse {
    let length = response.body.len() as u64;
    let half = response.body.get(..response.body.len() / 2).unwrap_or_default().to_vec();
    let parts = futures_util::stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) => Some((Ok(web::Bytes::from(half)), None)),
            None => {
                // Lets the first half leave before the connection breaks.
                tokio::task::yield_now().await;
                Some((Err(std::io::Error::other("the fake breaks the connection")), None))
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
