//! A write-ahead log that is cut or damaged, as by a power cut: transactions that were committed
//! before the cut can be read, and nothing panics.
//!
//! The part of the log that was checkpointed into the database is on disk, so a power cut cannot
//! remove it: only the rest is cut. A reader of the test keeps the gateway from checkpointing more.
//! The copies are opened by the gateway's own code only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{Admin, Claim, Deliveries, DeliveryFilter, Page};
use fakes::random::Random;

use super::team::Team;
use crate::harness::{Binary, Env};

const CUTS: usize = 24;
const DELIVERIES: usize = 40;

/// The files of a killed gateway: the database, its intake, and its write-ahead log in the format
/// of <https://sqlite.org/fileformat2.html#walformat>.
struct Files {
    database: Vec<u8>,
    /// The segment files of the intake, by the ends of their names. Their deliveries were answered,
    /// and may be missing in the database.
    intake: Vec<(String, Vec<u8>)>,
    log: Vec<u8>,
    /// The bytes of the log that are valid and not checkpointed.
    tail: std::ops::Range<u64>,
}

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn four_bytes(bytes: &[u8], offset: usize) -> [u8; 4] {
    bytes[offset..offset + 4].try_into().expect("these are four")
}

impl Files {
    /// Reads the files while the reader of the test is open: SQLite checkpoints the whole log when
    /// the last connection closes.
    fn read(database: &Path) -> Self {
        let log = std::fs::read(with_suffix(database, "-wal")).expect("it was killed with a log");
        let index =
            std::fs::read(with_suffix(database, "-shm")).expect("it was killed with an index");
        let page = u32::from_be_bytes(four_bytes(&log, 8)) as usize;
        let salt = &log[16..24];
        let frames = log[HEADER_BYTES..].chunks_exact(FRAME_HEADER_BYTES + page);
        let count = frames.take_while(|frame| frame[8..16] == *salt).count();
        // The frames of which a checkpoint was begun (WalCkptInfo.nBackfillAttempted).
        let checkpointed = u32::from_ne_bytes(four_bytes(&index, 128)) as usize;
        let offset = |frames: usize| (HEADER_BYTES + frames * (FRAME_HEADER_BYTES + page)) as u64;
        let tail = offset(checkpointed)..offset(count);
        let intake = (0..4).map(|slot| format!("-intake-{slot}"));
        let intake = intake.filter_map(|name| {
            Some((name.clone(), std::fs::read(with_suffix(database, &name)).ok()?))
        });
        let intake = intake.collect();
        Self { database: std::fs::read(database).expect("it is there"), intake, log, tail }
    }

    /// The deliveries in a copy of the database with this log: directly after it was opened, and
    /// after the intake was read.
    async fn deliveries_with(&self, log: &[u8]) -> [Vec<(i64, usize)>; 2] {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let copy = folder.path().join("gateway.db");
        std::fs::write(&copy, &self.database).expect("the folder is writable");
        std::fs::write(with_suffix(&copy, "-wal"), log).expect("the folder is writable");
        for (name, bytes) in &self.intake {
            std::fs::write(with_suffix(&copy, name), bytes).expect("the folder is writable");
        }
        let store = Sqlite::open(&copy, read_envelope).expect("a cut log does not prevent opening");
        let at_first = deliveries(&store).await;
        // A claim reads the intake first.
        let none = Claim { now: Timestamp::ZERO, limit: 0, lease: Duration::ZERO };
        store.claim_deliveries(none).await.expect("it is writable");
        let in_the_end = deliveries(&store).await;
        store.close(Duration::from_secs(5)).await;
        [at_first, in_the_end]
    }
}

/// Checkpoints the log, so that the schema is in the database, and opens a reader that prevents
/// further checkpoints.
fn keep_log(database: &Path) -> rusqlite::Connection {
    let reader = rusqlite::Connection::open(database).expect("others may read it");
    let checkpoint = "PRAGMA wal_checkpoint(PASSIVE); BEGIN; SELECT count(*) FROM delivery;";
    reader.execute_batch(checkpoint).expect("it can be read");
    reader
}

/// The id and the length of the body of each delivery, oldest first.
async fn deliveries(store: &Sqlite) -> Vec<(i64, usize)> {
    let page = Page { limit: 500, before: None };
    let listed = store.deliveries(DeliveryFilter::default(), page).await.expect("it reads");
    let mut deliveries = Vec::new();
    for delivery in listed.items.iter().rev() {
        let body = store.delivery_body(delivery.id).await.expect("it reads");
        deliveries.push((delivery.id.0, body.expect("each has one").len()));
    }
    deliveries
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_before_the_cut_can_be_read() {
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
    let files = Files::read(&database);
    drop(reader);
    let mut random = Random::seeded(1);
    let bytes = files.tail.end - files.tail.start;
    let mut cuts: Vec<u64> =
        (0..CUTS).map(|_| files.tail.start + random.below(bytes + 1)).collect();
    cuts.extend([files.tail.start, files.tail.end]);
    cuts.sort_unstable();
    let [_, all] = files.deliveries_with(&files.log).await;
    assert_eq!(all.len(), sent, "a delivery that was answered 202 is missing");
    let mut counts = Vec::new();
    for cut in cuts {
        let end = usize::try_from(cut).expect("it is in memory");
        let [at_first, in_the_end] = files.deliveries_with(&files.log[..end]).await;
        assert!(
            all.starts_with(&at_first),
            "cut at {cut}: {at_first:?} is not a beginning of {all:?}"
        );
        assert_eq!(in_the_end, all, "cut at {cut}: the intake has all deliveries");
        counts.push(at_first.len());
    }
    println!(
        "{bytes} bytes cut at {} positions: {counts:?} of {sent} deliveries left",
        counts.len()
    );
    assert!(counts.is_sorted(), "a later cut lost more: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_frame_and_those_after_it_are_left_out() {
    let env = Env::new(2);
    let mut gateway = Binary::start(&env).await;
    let database = gateway.settings.database();
    let reader = keep_log(&database);
    let (id, commit) = env.open("feature/search");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_delivered().await;
    gateway.kill();
    let files = Files::read(&database);
    drop(reader);
    let [_, all] = files.deliveries_with(&files.log).await;
    let mut random = Random::seeded(2);
    for _ in 0..CUTS {
        let offset = files.tail.start + random.below(files.tail.end - files.tail.start);
        let mut damaged = files.log.clone();
        damaged[usize::try_from(offset).expect("it is in memory")] ^= 0x40;
        let [at_first, in_the_end] = files.deliveries_with(&damaged).await;
        assert!(
            all.starts_with(&at_first),
            "damaged at {offset}: {at_first:?} is not a beginning of {all:?}"
        );
        assert_eq!(in_the_end, all, "damaged at {offset}: the intake has all deliveries");
    }
}
