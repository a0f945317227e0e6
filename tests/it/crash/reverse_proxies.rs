//! Two replicas on one PostgreSQL behind the reverse proxies that operators use, each with the file
//! for it in `config/proxy`: Azure DevOps gets no answer that costs events, whatever becomes of the
//! replicas. In the files there are three of them; the third one is always away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fakes::ado::Answer;
use futures_util::future::join_all;
use reqwest::{Certificate, Client, Response, StatusCode, header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::consistency::Listed;
use super::replicas::act_until;
use super::team::Team;
use crate::harness::{
    Api, Database, Env, EventStream, OPERATOR, Program, RUNNER, Replicas, ReverseProxy, free_port,
};

/// `server.body_limit`, of which each proxy has a copy.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

struct Installation {
    env: Env,
    replicas: Replicas,
    proxy: ReverseProxy,
    api: Api,
    _database: Database,
}

impl Installation {
    async fn start(program: Program, seed: u64) -> Self {
        let env = Env::new(seed);
        let database = Database::create();
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let replicas = Replicas::without_hooks(&env, 2, |settings| {
            settings.on_postgres(&database.url(), database.password());
            settings.public_url = Some(url.clone());
        })
        .await;
        replicas.until_ready().await;
        let addresses = replicas.all.iter().map(|one| one.settings.listen.as_str());
        let proxy = ReverseProxy::start(program, port, &addresses.collect::<Vec<_>>());
        env.subscribe(&url).await;
        Self { env, replicas, proxy, api: Api::new(&url, OPERATOR), _database: database }
    }

    /// Sends a delivery as Azure DevOps does.
    async fn deliver(&self, password: &str, body: Vec<u8>) -> Response {
        let path = "/hooks/azure-devops/fabrikam/by-hand";
        let request = Client::new().post(format!("{}{path}", self.proxy.url));
        let request = request.basic_auth("azure-devops", Some(password)).body(body);
        request.send().await.expect("the proxy answers")
    }

    fn password(&self) -> String {
        self.env.password("by-hand")
    }

    /// What Azure DevOps was answered other than 202.
    fn refusals(&self) -> Vec<Answer> {
        self.env.shell.ado(|ado| {
            let attempts = ado.all_notifications().flat_map(|one| &one.attempts);
            let answers = attempts.map(|attempt| attempt.answer);
            answers.filter(|answer| *answer != Answer::Status(202)).collect()
        })
    }
}

/// Each answer of the gateway arrives as it is, and when it comes.
async fn answers_pass(program: Program) {
    let running = Installation::start(program, 81).await;
    let (proxy, env) = (&running.proxy, &running.env);
    // Longer than a delivery may take.
    let runner = Api::new(&proxy.url, RUNNER);
    let ask = json!({ "name": "here", "labels": ["linux"], "wait_s": 10 });
    let waiting = tokio::spawn(async move { runner.post("/v1/runners/lease", Some(&ask)).await });

    let authority = Certificate::from_pem(proxy.authority.as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([authority]).build().unwrap();
    let over_tls = client.get(format!("{}/readyz", proxy.tls_url)).send().await.unwrap();
    assert_eq!(over_tls.status(), StatusCode::OK);

    let refused = running.deliver("wrong", b"{}".to_vec()).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Basic realm=\"azdo-gateway\"");
    assert_eq!(refused.bytes().await.unwrap().len(), 0);
    for (bytes, status) in [
        (2_000_000, StatusCode::ACCEPTED),
        (BODY_LIMIT, StatusCode::ACCEPTED),
        (BODY_LIMIT + 1, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = running.deliver(&running.password(), vec![b'a'; bytes]).await;
        assert_eq!(answer.status(), status, "{bytes} bytes");
    }

    let opened = running.api.open("/v1/changes").await;
    let mut stream = EventStream::begin(opened, ": watching\n\n").await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let run = running.api.items("/v1/runs").await[0]["id"].as_str().unwrap().to_owned();
    stream.until_told(&[("run".to_owned(), run)].into()).await;

    let (status, answer) = waiting.await.expect("it does not panic");
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    assert_eq!(running.refusals(), []);
}

/// Replicas are killed, replaced and away.
async fn nothing_is_lost(program: Program) {
    let mut running = Installation::start(program, 82).await;
    running.env.shell.ado(|ado| ado.options.time_scale = 20);
    let (mut team, mut events) = (Team::new(82), 0);
    for (round, is_kill) in [true, true, false, false].into_iter().enumerate() {
        let one = round % 2;
        events += 10;
        act_until(&running.env, &mut team, events).await;
        if is_kill {
            running.replicas.all[one].kill();
        } else {
            running.replicas.all[one].terminate();
        }
        events += 20;
        act_until(&running.env, &mut team, events).await;
        if !is_kill {
            assert!(running.replicas.all[one].wait().success());
        }
        running.replicas.all[one].restart().await;
        running.replicas.all[one].until_ready().await;
        running.proxy.until_used(one + 1).await;
    }
    let refusals = running.refusals();
    println!("{program:?}: of {events} deliveries beside ends of replicas: {refusals:?}");
    if program == Program::Caddy {
        // It does not send anything twice, so Azure DevOps has to.
        assert!(refusals.iter().all(|one| *one == Answer::Status(503)), "{refusals:?}");
    } else {
        assert_eq!(refusals, [], "the other replica takes what one did not answer");
    }

    running.replicas.all.iter_mut().for_each(crate::harness::Binary::kill);
    let answer = running.deliver(&running.password(), b"{}".to_vec()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "5");
    (0..5).for_each(|_| team.act(&running.env));
    running.env.until("deliveries are refused", |ado, _| ado.deliveries_pending() > 0).await;
    for replica in &mut running.replicas.all {
        replica.restart().await;
    }
    Listed::when_idle(&running.env, &running.replicas.all[0].api).await.check(&running.env);
    let others = running.refusals();
    assert!(others.iter().all(|one| *one == Answer::Status(503)), "{others:?}");
    assert!(others.len() > refusals.len(), "some were sent while no replica was there");
}

/// What a gateway answers that cannot store a delivery now.
const PUT_OFF: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 7\r\n\r\n";

/// A replica that is ready, and answers every POST with the same bytes; without any it breaks the
/// connection. It counts them.
struct Replica {
    address: String,
    posts: Arc<AtomicUsize>,
}

impl Replica {
    async fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let address = listener.local_addr().expect("it is bound").to_string();
        let posts = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&posts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, answer, Arc::clone(&counter)));
            }
        });
        Self { address, posts }
    }

    async fn serve(mut stream: TcpStream, answer: &[u8], posts: Arc<AtomicUsize>) {
        let mut read = Vec::new();
        while stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
            // A probe has no body, and those of the test end like this.
            let is_whole = read.ends_with(b"\r\n\r\n");
            if !is_whole {
                continue;
            }
            let answer = if read.starts_with(b"POST ") {
                // A head may come before its body.
                if read.windows(4).filter(|bytes| bytes == b"\r\n\r\n").count() < 2 {
                    continue;
                }
                posts.fetch_add(1, Ordering::SeqCst);
                answer
            } else {
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
            };
            read.clear();
            if answer.is_empty() || stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// Sends one POST to two replicas that answer like this. Returns the answer, and how many each got.
async fn sent(program: Program, path: &str, answer: &'static [u8]) -> (Response, [usize; 2]) {
    let replicas = [Replica::start(answer).await, Replica::start(answer).await];
    let addresses = replicas.each_ref().map(|replica| replica.address.as_str());
    let proxy = ReverseProxy::start(program, free_port(), &addresses);
    let request = Client::new().post(format!("{}{path}", proxy.url)).body("{}\r\n\r\n");
    let answer = request.send().await.expect("the proxy answers");
    (answer, replicas.map(|replica| replica.posts.load(Ordering::SeqCst)))
}

/// A rerun that is sent twice is two runs. A delivery that is sent twice is one.
async fn only_what_may_be_is_sent_twice(program: Program) {
    for (path, may_be) in [
        ("/hooks/azure-devops/fabrikam/git-push", true),
        ("/ci/builder/events", true),
        ("/v1/runs/r-1/reports", true),
        ("/v1/runs/r-1/rerun", false),
        ("/v1/runners/lease", false),
        ("/ui/runs/rerun", false),
        ("/x/hooks/azure-devops", false),
    ] {
        for (bytes, retry_after) in [(&b""[..], "5"), (PUT_OFF, "7")] {
            let (answer, posts) = sent(program, path, bytes).await;
            let is_passing = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE];
            assert!(is_passing.contains(&answer.status()), "{path}: {}", answer.status());
            // Where the third replica was asked last, which is away, it is the answer of the proxy.
            let of_proxy = may_be && program == Program::Nginx;
            let found = &answer.headers()[header::RETRY_AFTER];
            assert!(found == retry_after || of_proxy && found == "5", "{path}: {found:?}");
            if path.starts_with("/hooks/") {
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            }
            if may_be && program != Program::Caddy {
                assert!(posts.iter().all(|count| *count > 0), "{path}: {posts:?}");
            } else {
                assert_eq!(posts.iter().sum::<usize>(), 1, "{path}: {posts:?}");
            }
        }
    }
}

/// All at once, since they mostly wait.
async fn behind_each<Running: Future<Output = ()>>(story: impl Fn(Program) -> Running) {
    let programs = [Program::Nginx, Program::HaProxy, Program::Caddy].into_iter();
    join_all(programs.filter(|program| program.is_there()).map(story)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_the_gateway_arrives_as_it_is() {
    behind_each(answers_pass).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_end_cost_no_delivery() {
    behind_each(nothing_is_lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_may_arrive_twice_is_sent_twice() {
    behind_each(only_what_may_be_is_sent_twice).await;
}
