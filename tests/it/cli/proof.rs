//! The operator token goes to the gateway of the configuration only: what answers at its address
//! has to prove that it has the root key.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::call::{ask, run};
use crate::harness::{Binary, Env, OPERATOR, Settings};

/// A program that has taken the address of the gateway, and remembers what it is sent.
struct Impostor {
    address: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Impostor {
    /// Answers every connection with `serve`, which has the connection and remembers what it reads.
    fn start(serve: impl Fn(TcpStream, &Mutex<Vec<u8>>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("it is bound").to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (kept, serve) = (Arc::clone(&received), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, serve) = (Arc::clone(&kept), Arc::clone(&serve));
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, received }
    }

    /// Answers every request with the same JSON.
    fn answering(json: &'static str) -> Self {
        Self::start(move |mut stream, received| {
            let mut request = [0; 4096];
            while let Ok(bytes @ 1..) = stream.read(&mut request) {
                received.lock().expect("nobody panicked").extend(&request[..bytes]);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                     \r\n{json}",
                    json.len()
                );
                drop(stream.write_all(answer.as_bytes()));
            }
        })
    }

    /// Passes everything on to a gateway at another address, and its answers back.
    fn passing_on(gateway: String) -> Self {
        Self::start(move |mut stream, received| {
            let mut gateway = TcpStream::connect(&gateway).expect("the gateway runs");
            let (mut back, mut answers) =
                (stream.try_clone().expect("it is open"), gateway.try_clone().expect("it is open"));
            thread::spawn(move || drop(std::io::copy(&mut answers, &mut back)));
            let mut request = [0; 4096];
            while let Ok(bytes @ 1..) = stream.read(&mut request) {
                received.lock().expect("nobody panicked").extend(&request[..bytes]);
                gateway.write_all(&request[..bytes]).expect("the gateway reads");
            }
            drop(gateway.shutdown(Shutdown::Both));
        })
    }

    /// Checks that commands refuse to talk to it, and that it got no token.
    fn check_refused(&self, settings: &Settings) {
        let mut settings = Settings { listen: self.address.clone(), ..settings.clone() };
        let words = ["does not prove that it is the gateway", "the token was not sent", "--url"];
        for command in [&["runs", "list"], &["hooks", "plan"], &["link", "fabrikam"]] {
            ask(&settings, command).refused(1, &words);
        }
        // The token of a person is kept as well.
        settings.environment.insert("AZDO_GATEWAY_TOKEN".to_owned(), OPERATOR.to_owned());
        ask(&settings, &["runs", "list"]).refused(1, &words);
        let received = self.received.lock().expect("nobody panicked");
        let received = String::from_utf8_lossy(&received).to_lowercase();
        assert!(received.contains("get /v1/proof/"), "{received}");
        assert!(!received.contains("authorization"), "{received}");
        assert!(!received.contains(OPERATOR), "{received}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_at_the_address_of_the_gateway_gets_no_token() {
    let env = Env::new(71);
    let settings = env.settings("");
    Impostor::answering(r#"{"status": "alive", "items": []}"#).check_refused(&settings);
    Impostor::answering(r#"{"proof": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#)
        .check_refused(&settings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_a_gateway_at_another_address_is_refused() {
    let env = Env::new(72);
    let gateway = Binary::without_hooks(&env, |_| {}).await;
    ask(&gateway.settings, &["runs", "list"]).done();
    Impostor::passing_on(gateway.settings.listen.clone()).check_refused(&gateway.settings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_another_root_key_is_refused_unless_it_is_the_previous_one() {
    let env = Env::new(73);
    let gateway = Binary::without_hooks(&env, |_| {}).await;
    let old = gateway.settings.variables()["ROOT_KEY"].clone();
    let mut settings = gateway.settings.clone();
    settings
        .environment
        .insert("ROOT_KEY".to_owned(), "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=".to_owned());
    ask(&settings, &["runs", "list"]).refused(1, &["does not prove", "another root key"]);
    settings.secrets = "previous_root_key = { env = \"PREVIOUS\" }".to_owned();
    settings.environment.insert("PREVIOUS".to_owned(), old);
    ask(&settings, &["runs", "list"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_on_every_address_proves_itself() {
    let env = Env::new(74);
    let gateway = Binary::without_hooks(&env, |_| {}).await;
    let (_, port) = gateway.settings.listen.rsplit_once(':').expect("it has a port");
    let everywhere = format!("listen = \"0.0.0.0:{port}\"\npublic_url");
    let toml = gateway.settings.toml();
    let (_, rest) = toml.split_once("public_url").expect("it is there");
    let config = gateway.settings.folder.join("everywhere.toml");
    std::fs::write(&config, format!("[server]\n{everywhere}{rest}")).expect("it is writable");
    let config = config.to_str().expect("the path is text");
    let list = ["--config", config, "runs", "list"];
    run(&gateway.settings.variables(), &list, b"").done();
}

#[test]
fn no_token_is_sent_unencrypted_over_the_network() {
    let token = BTreeMap::from([("AZDO_GATEWAY_TOKEN".to_owned(), OPERATOR.to_owned())]);
    for url in ["http://gateway.example.com", "http://10.0.0.1:8080/", "ftp://127.0.0.1"] {
        let list = ["--url", url, "runs", "list"];
        run(&token, &list, b"").refused(2, &[url, "unencrypted", "https", "was not sent"]);
    }
    run(&token, &["--url", "gateway", "runs", "list"], b"").refused(2, &["not an address"]);
}
