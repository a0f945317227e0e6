//! A write-ahead log that was torn off, as by a power cut: what was committed before the tear
//! reads, and nothing panics.
//!
//! What has been folded into the database was on disk before, so no tear takes it away: the tears
//! lie behind it. A reader of ours keeps the gateway from folding in more. It must never open the
//! copies with anything but the gateway's own code.

use std::path::{Path, PathBuf};
use std::time::Duration;

use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{Admin, Claim, Deliveries, DeliveryFilter, Page};
use fakes::random::Random;

use super::team::Team;
use crate::harness::{Binary, Env};

const TEARS: usize = 24;
const DELIVERIES: usize = 40;

/// What a killed gateway left: the database, and its log as
/// <https://sqlite.org/fileformat2.html#walformat> has it.
struct Left {
    database: Vec<u8>,
    /// What was answered and perhaps not taken in: by what their names end with.
    intake: Vec<(String, Vec<u8>)>,
    log: Vec<u8>,
    /// From the first byte that is not folded in to the last that counts.
    open: std::ops::Range<u64>,
}

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn number(bytes: &[u8], at: usize) -> [u8; 4] {
    bytes[at..at + 4].try_into().expect("these are four")
}

impl Left {
    /// Read while our reader is there still: the last one to leave folds everything in.
    fn behind(database: &Path) -> Self {
        let log = std::fs::read(beside(database, "-wal")).expect("it was killed with a log");
        let index = std::fs::read(beside(database, "-shm")).expect("it was killed with an index");
        let page = u32::from_be_bytes(number(&log, 8)) as usize;
        let salt = &log[16..24];
        let frames = log[HEADER_BYTES..].chunks_exact(FRAME_HEADER_BYTES + page);
        let count = frames.take_while(|frame| frame[8..16] == *salt).count();
        // How far somebody began to fold it in (WalCkptInfo.nBackfillAttempted).
        let folded = u32::from_ne_bytes(number(&index, 128)) as usize;
        let offset = |frames: usize| (HEADER_BYTES + frames * (FRAME_HEADER_BYTES + page)) as u64;
        let open = offset(folded)..offset(count);
        let intake = (0..4).map(|slot| format!("-intake-{slot}"));
        let intake = intake
            .filter_map(|name| Some((name.clone(), std::fs::read(beside(database, &name)).ok()?)));
        let intake = intake.collect();
        Self { database: std::fs::read(database).expect("it is there"), intake, log, open }
    }

    /// What a copy with this log knows, by the gateway's own code: at once, and when it has taken
    /// in what lies beside it.
    async fn known_with(&self, log: &[u8]) -> [Vec<(i64, usize)>; 2] {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let copy = folder.path().join("gateway.db");
        std::fs::write(&copy, &self.database).expect("the folder is writable");
        std::fs::write(beside(&copy, "-wal"), log).expect("the folder is writable");
        for (name, bytes) in &self.intake {
            std::fs::write(beside(&copy, name), bytes).expect("the folder is writable");
        }
        let store =
            Sqlite::open(&copy, read_envelope).expect("a torn log does not keep it from opening");
        let at_once = known(&store).await;
        let none = Claim { now: Timestamp::ZERO, limit: 0, lease: Duration::ZERO };
        store.claim_deliveries(none).await.expect("it is writable");
        let in_the_end = known(&store).await;
        store.close(Duration::from_secs(5)).await;
        [at_once, in_the_end]
    }
}

/// From now on nothing is folded in. What made the database is: it was on disk before anybody was
/// answered.
fn keep_log(database: &Path) -> rusqlite::Connection {
    let reader = rusqlite::Connection::open(database).expect("others may read it");
    let fold = "PRAGMA wal_checkpoint(PASSIVE); BEGIN; SELECT count(*) FROM delivery;";
    reader.execute_batch(fold).expect("it can be read");
    reader
}

async fn known(store: &Sqlite) -> Vec<(i64, usize)> {
    let page = Page { limit: 500, before: None };
    let listed = store.deliveries(DeliveryFilter::default(), page).await.expect("it reads");
    let mut known = Vec::new();
    for delivery in listed.items.iter().rev() {
        let body = store.delivery_body(delivery.id).await.expect("it reads");
        known.push((delivery.id.0, body.expect("each has one").len()));
    }
    known
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_the_tear_reads() {
    let env = Env::new(1);
    let mut gateway = Binary::start(&env).await;
    let database = gateway.settings.database();
    let reader = keep_log(&database);
    let mut team = Team::new(1);
    while env.shell.ado(|ado| ado.all_notifications().count()) < DELIVERIES {
        team.act(&env);
    }
    env.until_delivered().await;
    gateway.kill();
    let sent = env.shell.ado(|ado| ado.all_notifications().count());
    let left = Left::behind(&database);
    drop(reader);
    let mut random = Random::seeded(1);
    let room = left.open.end - left.open.start;
    let mut tears: Vec<u64> =
        (0..TEARS).map(|_| left.open.start + random.below(room + 1)).collect();
    tears.extend([left.open.start, left.open.end]);
    tears.sort_unstable();
    let [_, all] = left.known_with(&left.log).await;
    assert_eq!(all.len(), sent, "what was answered 202 is gone");
    let mut counts = Vec::new();
    for tear in tears {
        let end = usize::try_from(tear).expect("it is in memory");
        let [known, in_the_end] = left.known_with(&left.log[..end]).await;
        assert!(all.starts_with(&known), "torn at {tear}: {known:?} is not a beginning of {all:?}");
        assert_eq!(in_the_end, all, "torn at {tear}: the intake has it all");
        counts.push(known.len());
    }
    println!(
        "{room} bytes cut at {} positions: {counts:?} of {sent} deliveries left",
        counts.len()
    );
    assert!(counts.is_sorted(), "a later tear lost more: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_was_half_written_is_left_out() {
    let env = Env::new(2);
    let mut gateway = Binary::start(&env).await;
    let database = gateway.settings.database();
    let reader = keep_log(&database);
    let (id, commit) = env.open("feature/search");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_delivered().await;
    gateway.kill();
    let left = Left::behind(&database);
    drop(reader);
    let [_, all] = left.known_with(&left.log).await;
    let mut random = Random::seeded(2);
    for _ in 0..TEARS {
        let at = left.open.start + random.below(left.open.end - left.open.start);
        let mut torn = left.log.clone();
        torn[usize::try_from(at).expect("it is in memory")] ^= 0x40;
        let [known, in_the_end] = left.known_with(&torn).await;
        assert!(all.starts_with(&known), "{at}: {known:?} is not a beginning of {all:?}");
        assert_eq!(in_the_end, all, "{at}: the intake has it all");
    }
}
