//! A CI that asks for a certificate, over TLS as it really is.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use azdo_gateway::ci::{Error, Options, Organizations, Systems};
use azdo_gateway::clock::Clock;
use azdo_gateway::domain::run::{Reported, Run};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::*;
use crate::harness::{WAIT_MAX, certificates};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                      content-length: 16\r\nconnection: close\r\n\r\n{\"state\":\"done\"}";

fn config(folder: &Path) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("authority.pem")).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

/// Answers every request of somebody whose certificate the authority has signed, until the test
/// ends. Returns the port.
fn serve(folder: &Path) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config(folder));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A handshake that fails is the caller's matter.
            _ = answer(stream.unwrap(), Arc::clone(&config));
        }
    });
    port
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(WAIT_MAX))?;
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        match tls.read(&mut part)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&part[..read]),
        }
    }
    tls.write_all(ANSWER.as_bytes())?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// The CI, which is shown the certificate and key of these names in the folder.
fn systems(port: u16, authority: &Path, shown: Option<&Path>) -> Systems {
    let shown = shown.map_or(String::new(), |path| {
        let path = path.display();
        format!(
            "client_certificate = {{ file = \"{path}.pem\" }}\n\
             client_key = {{ file = \"{path}.key\" }}\n"
        )
    });
    let keys = format!(
        "{shown}[ci.builder.start]\nurl = \"URL/start\"\njson = {{ run = \"{{{{ run }}}}\" }}\n\
         id = \"/id\"\n[ci.builder.poll]\nurl = \"URL/runs/{{{{ id }}}}\"\n\
         rules = [{{ when = {{ \"/state\" = \"done\" }}, is = \"succeeded\" }}, \
         {{ is = \"running\" }}]\n"
    );
    let kind = http::kind(&keys, &format!("https://127.0.0.1:{port}"), &[]);
    let common = Common { ca_file: Some(authority.to_owned()), ..common() };
    let options = Options { kind_name: "http", common, kind };
    let http = |tls: azdo_gateway::ci::Tls| {
        let client = azdo_gateway::ado::http_client_with(tls.authority, tls.identity);
        client.map_err(|error| error.to_string())
    };
    let options = BTreeMap::from([(NAME.to_owned(), options)]);
    Systems::new(&http, &Clock::system(), &Organizations::default(), options).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ci_that_asks_for_a_certificate_is_shown_ours() {
    let (ours, others) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    certificates::create(ours.path());
    certificates::create(others.path());
    let port = serve(ours.path());
    let authority = ours.path().join("authority.pem");
    let run = Run { ci_id: Some("5".to_owned()), ..make::run(1, "unit", 'a') };
    let polled = async |shown: Option<&Path>| {
        systems(port, &authority, shown).poll(NAME, &[&run]).await.remove(0)
    };
    let answer = polled(Some(&ours.path().join("client"))).await;
    assert_eq!(answer.map(|it| it.state), Ok(Reported::Succeeded));
    for shown in [None, Some(others.path().join("client"))] {
        let answer = polled(shown.as_deref()).await;
        let is_refused = matches!(answer, Err(Error::Unavailable { .. } | Error::Ambiguous { .. }));
        assert!(is_refused, "{shown:?}: {answer:?}");
    }
}
