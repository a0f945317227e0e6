//! Random sequences of receiving, deciding and dying: every delivery that was answered is stored
//! once and in order, and a decision that was committed stays.
//!
//! A store that dies lives in a process of its own, which is killed while it works: nothing of it
//! runs to an end, as a destructor would. That process is this test again, with the folder of the
//! store in its environment; it carries out the commands that it reads and answers each.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use azdo_gateway::storage::{Commit, DeliveryFilter, Page, Store};
use fakes::random::Random;

use super::{Bench, Engine, Location, agreement, claim, make, open_postgres, open_sqlite, receive};

/// The folder of the store that this process plays, or the URL of its database.
const LOCATION: &str = "AZDO_GATEWAY_STORE_TO_KILL";
/// The password for that database.
const PASSWORD: &str = "AZDO_GATEWAY_STORE_TO_KILL_PASSWORD";
const DEATHS: usize = 12;

/// The other process.
struct Victim {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Victim {
    fn start(bench: &Bench) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this is a program"))
            .args(["--exact", "--nocapture"])
            .arg("storage::death::answered_deliveries_and_decisions_survive_a_kill")
            .envs(match &*bench.location {
                Location::Folder(folder) => {
                    vec![(LOCATION, folder.path().to_str().unwrap().to_owned())]
                }
                Location::Database(database) => {
                    vec![(LOCATION, database.url()), (PASSWORD, database.password().to_owned())]
                }
            })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let commands = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { process, commands, answers }
    }

    fn send(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("it reads");
    }

    /// The next answer; the test harness prints lines of its own, which have no colon in front.
    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let bytes = self.answers.read_line(&mut line).expect("it writes");
            assert!(bytes > 0, "it ended by itself");
            // The name of the test stands on the line of the first answer.
            if let Some((_, answer)) = line.trim_end().split_once("answer: ") {
                return answer.to_owned();
            }
        }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it is ours");
    }
}

/// Carries out commands until it is killed: `receive NUMBER BYTES` and `decide LIMIT`.
async fn obey(store: &dyn Store) {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let mut words = line.split(' ');
        let command = words.next().expect("a word");
        let numbers: Vec<i64> = words.map(|word| word.parse().expect("a number")).collect();
        match (command, numbers.as_slice()) {
            ("receive", [number, bytes]) => {
                let call = make::long_delivery(*number, usize::try_from(*bytes).expect("a length"));
                receive(store, &call).await.expect("it is stored");
            }
            ("decide", [limit]) => {
                let limit = usize::try_from(*limit).expect("a limit");
                for leased in store.claim_deliveries(claim(0, limit)).await.expect("a claim") {
                    let commit = make::decision(&leased, &[], &[]);
                    let committed = store.commit_decision(commit).await.expect("a commit");
                    assert_eq!(committed, Commit::Committed);
                }
            }
            unknown => panic!("{unknown:?}"),
        }
        println!("answer: {line}");
    }
}

/// The notification and whether it is decided, of every delivery, oldest first.
async fn stored(store: &dyn Store) -> Vec<(i64, bool)> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = Page { limit: 500, before };
        let part = store.deliveries(DeliveryFilter::default(), page).await.expect("a list");
        let row = |item: azdo_gateway::storage::Delivery| {
            (item.notification.expect("each has one"), item.decided_at.is_some())
        };
        found.extend(part.items.into_iter().map(row));
        before = part.next;
        if before.is_none() {
            found.reverse();
            return found;
        }
    }
}

/// One life: some commands that are answered, then one at whose beginning or end the process is
/// killed. The number of the delivery after the last one that was sent, and after the last that was
/// answered.
fn live(bench: &Bench, first: i64, random: &mut Random) -> (i64, i64) {
    let mut victim = Victim::start(bench);
    let (mut next, mut answered) = (first, first);
    for _ in 0..random.below(12) {
        if random.happens(70) {
            let bytes = if random.happens(10) { 5_000_000 } else { random.below(3_000) };
            victim.send(&format!("receive {next} {bytes}"));
            next += 1;
        } else {
            victim.send(&format!("decide {}", random.below(4)));
        }
        victim.answer();
        answered = next;
    }
    if random.happens(50) {
        victim.send(&format!("receive {next} {}", random.below(200_000)));
        next += 1;
    } else {
        victim.send("decide 9");
    }
    if random.happens(50) {
        victim.answer();
        answered = next;
    }
    victim.kill();
    (next, answered)
}

async fn check_lives(engine: Engine) {
    let mut random = Random::seeded(agreement::seed().into());
    let mut bench = Bench::of(engine).await;
    let (mut next, mut expected, mut decided) = (0, Vec::new(), Vec::new());
    for _ in 0..DEATHS {
        bench.close().await;
        let (sent, answered) = live(&bench, next, &mut random);
        bench = bench.opened().await;
        bench.store.claim_deliveries(claim(0, 0)).await.expect("it is writable");
        let found = stored(&*bench.store).await;
        let numbers: Vec<i64> = found.iter().map(|(number, _)| *number).collect();
        expected.extend(next..answered);
        // The last one may be stored although its answer was not heard.
        if numbers.len() > expected.len() && sent > answered {
            expected.push(answered);
        }
        assert_eq!(numbers, expected, "each once and in order");
        for number in &decided {
            assert!(found.contains(&(*number, true)), "the decision about {number} is lost");
        }
        decided = found.iter().filter(|(_, is_decided)| *is_decided).map(|one| one.0).collect();
        let undecided = bench.store.backlog().await.expect("it reads").undecided;
        assert_eq!(undecided as usize, found.len() - decided.len());
        next = sent;
    }
}

#[tokio::test]
async fn answered_deliveries_and_decisions_survive_a_kill() {
    if let Ok(location) = std::env::var(LOCATION) {
        let store = match std::env::var(PASSWORD) {
            Ok(password) => open_postgres(&location, &password, "victim").await,
            Err(_) => open_sqlite(location.as_ref()),
        };
        return obey(&*store).await;
    }
    for engine in Engine::ALL {
        check_lives(engine).await;
    }
}
