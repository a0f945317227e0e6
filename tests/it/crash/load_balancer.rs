//! A load balancer in front of the gateway.
//!
//! While the gateway is down it answers 502, after which Azure DevOps repeats the delivery; a
//! refused connection would put the subscription on probation instead, and Azure DevOps would drop
//! all events meanwhile. It can also lose the n-th answer, or notify when the n-th delivery is
//! under way. It never answers 2xx by itself.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use tokio::sync::Notify;

/// What happens to one chosen delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trap {
    /// The test is notified when it is under way to the gateway.
    UnderWay,
    /// The gateway accepts it, and its answer is lost.
    AnswerLost,
}

struct State {
    gateway: String,
    http: reqwest::Client,
    /// The trap, and how many deliveries pass before it.
    trap: Mutex<Option<(Trap, u64)>>,
    triggered: Notify,
}

impl State {
    /// The trap, if it is set for this delivery.
    fn trap(&self) -> Option<Trap> {
        let mut set = self.trap.lock().expect("no holder panics");
        let (trap, left) = set.take()?;
        if left == 0 {
            return Some(trap);
        }
        *set = Some((trap, left - 1));
        None
    }
}

/// A running load balancer; it ends with the test.
pub(super) struct LoadBalancer {
    pub(super) url: String,
    state: Arc<State>,
    server: ServerHandle,
}

impl LoadBalancer {
    pub(super) fn before(gateway: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = Arc::new(State {
            gateway: gateway.to_owned(),
            http: reqwest::Client::new(),
            trap: Mutex::new(None),
            triggered: Notify::new(),
        });
        let data = web::Data::from(Arc::clone(&state));
        let app = move || App::new().app_data(data.clone()).default_service(web::to(pass));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener);
        let server = server.expect("it is bound").run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, state, server: handle }
    }

    /// Sets a trap for the delivery after the next `passed`.
    pub(super) fn set(&self, trap: Trap, passed: u64) {
        *self.state.trap.lock().expect("no holder panics") = Some((trap, passed));
    }

    /// Waits until the trap triggers.
    pub(super) async fn triggered(&self) {
        self.state.triggered.notified().await;
    }
}

impl Drop for LoadBalancer {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn pass(request: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let trap = state.trap();
    if trap == Some(Trap::UnderWay) {
        state.triggered.notify_one();
    }
    let mut passed = state.http.post(format!("{}{}", state.gateway, request.uri())).body(body);
    for name in ["authorization", "content-type"] {
        if let Some(value) = request.headers().get(name) {
            passed = passed.header(name, value.as_bytes());
        }
    }
    let answer = passed.send().await;
    if trap == Some(Trap::AnswerLost) {
        state.triggered.notify_one();
        return HttpResponse::BadGateway().finish();
    }
    let status = answer.ok().and_then(|answer| StatusCode::from_u16(answer.status().as_u16()).ok());
    HttpResponse::build(status.unwrap_or(StatusCode::BAD_GATEWAY)).finish()
}
