//! A gateway in the process of the test: the whole application with its configuration, server and
//! workers. No part of it is replaced.

use std::net::TcpListener;

use azdo_gateway::app::App;

use super::settings::{OPERATOR, Settings};
use super::{Api, Env};

/// A running gateway.
pub(crate) struct InProcess {
    pub(crate) app: App,
    pub(crate) url: String,
    /// Calls the gateway as an operator.
    pub(crate) api: Api,
}

impl InProcess {
    /// A gateway with other settings, and the usual hooks.
    pub(crate) async fn start_with(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        let gateway = Self::without_hooks(env, change).await;
        env.subscribe(&gateway.url).await;
        gateway
    }

    /// A gateway that Azure DevOps has no hooks for.
    pub(crate) async fn without_hooks(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("it is bound").to_string();
        let mut settings = env.settings(&address);
        change(&mut settings);
        let app = App::start_on(settings.config(), listener).await.expect("the gateway starts");
        let url = format!("http://{address}");
        let api = Api::new(&url, OPERATOR);
        Self { app, url, api }
    }

    /// Stops the gateway as SIGTERM would.
    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }
}
