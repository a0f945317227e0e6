//! Proxy variables: what stays on the machine does not go through a proxy, and what leaves it does.

use std::net::TcpListener;

use tokio::io::AsyncReadExt;

use super::call::ask;
use crate::harness::{Binary, Env, Settings, WAIT_MAX};

/// A proxy that answers nobody.
struct Proxy(TcpListener);

impl Proxy {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("loopback is there"))
    }

    fn address(&self) -> String {
        self.0.local_addr().expect("it is bound").to_string()
    }

    /// Names the proxy in each variable that programs read.
    fn set(&self, settings: &mut Settings) {
        let url = format!("http://{}", self.address());
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
            settings.environment.insert(name.to_owned(), url.clone());
        }
    }

    /// Checks that nobody has connected.
    fn check_unused(&self) {
        self.0.set_nonblocking(true).expect("it is a socket");
        let connected = self.0.accept();
        assert!(connected.is_err(), "something went through the proxy: {connected:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_and_the_health_check_use_no_proxy() {
    let env = Env::new(61);
    let gateway = Binary::without_hooks(&env, |_| {}).await;
    let proxy = Proxy::new();
    let mut settings = gateway.settings.clone();
    proxy.set(&mut settings);
    ask(&settings, &["runs", "list"]).done();
    ask(&settings, &["hooks", "plan"]).done();
    ask(&settings, &["healthcheck"]).done();
    ask(&settings, &["--url", &gateway.url, "runs", "list"]).done();
    ask(&settings, &["--url", &gateway.url, "healthcheck"]).done();
    proxy.check_unused();
}

/// The fakes are on loopback, the metadata service of the machine included.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_uses_no_proxy_on_its_own_machine() {
    let env = Env::new(62);
    let (_, object_id) = env.shell.entra(|entra| entra.add_managed_identity());
    let tenant = env.shell.entra(|entra| entra.tenant().to_owned());
    env.shell.ado(|ado| {
        ado.set_tenant(&tenant);
        ado.create_identity("Gate", &object_id)
    });
    let proxy = Proxy::new();
    let gateway = Binary::start_with(&env, |settings| {
        let url = env.shell.url();
        settings.credential = format!("kind = \"managed_identity\"\nendpoint_url = \"{url}\"");
        proxy.set(settings);
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    drop(gateway);
    proxy.check_unused();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_leave_the_machine_go_through_the_proxy() {
    let env = Env::new(63);
    let proxy = Proxy::new();
    let _gateway = Binary::start_with(&env, |settings| {
        settings.ci_url = "https://ci.example.com/start".to_owned();
        proxy.set(settings);
    })
    .await;
    env.open("topic");
    proxy.0.set_nonblocking(true).expect("it is a socket");
    let listener = tokio::net::TcpListener::from_std(proxy.0).expect("it listens");
    let asking = async {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        let mut begin = [0; 31];
        stream.read_exact(&mut begin).await.expect("it asks");
        begin
    };
    let begin = tokio::time::timeout(WAIT_MAX, asking).await.expect("the run is started");
    assert_eq!(&begin, b"CONNECT ci.example.com:443 HTTP");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_proxy_is_named() {
    let env = Env::new(64);
    let mut settings = env.settings("127.0.0.1:1");
    settings.environment.insert("HTTPS_PROXY".to_owned(), "http://hidden@:x".to_owned());
    let refused = ask(&settings, &["serve"]);
    assert!(!refused.err.contains("hidden"), "{}", refused.err);
    refused.refused(1, &["HTTPS_PROXY is not the address of a proxy"]);
}
