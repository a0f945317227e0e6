//! Bytes of segment files that change on disk. One byte loses one delivery at most; it is reported,
//! and the file is kept as it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{DeliveryFilter, Page, Store};
use fakes::random::Random;

use super::super::make::long_delivery;
use super::super::{Bench, Engine, LEASE, agreement, claim, receive};

const DELIVERIES: i64 = 80;
const CASES: usize = 60;

/// The files in a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

/// The numbers of all stored deliveries, in order.
async fn stored(store: &dyn Store) -> Vec<i64> {
    store.claim_deliveries(claim(0, 0)).await.unwrap();
    let page = Page { limit: 500, before: None };
    let found = store.deliveries(DeliveryFilter::default(), page).await.unwrap();
    found.items.iter().rev().map(|item| item.notification.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_loses_one_delivery_at_most_and_is_reported() {
    let mut random = Random::seeded(agreement::seed().into());
    let bench = Bench::of(Engine::Sqlite).await;
    for number in 0..DELIVERIES {
        let bytes = usize::try_from(random.below(2_000)).unwrap();
        receive(&*bench.store, &long_delivery(number, bytes)).await.unwrap();
    }
    let good = files(bench.location.folder());
    let segment = &good["gateway.db-intake-0"];
    for _ in 0..CASES {
        // The last mark, behind which nothing is.
        let at = usize::try_from(random.below(segment.len() as u64 - 36)).unwrap();
        let mut damaged = segment.clone();
        damaged[at] ^= 1 << random.below(8);
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        for (name, bytes) in &good {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::fs::write(folder.path().join("gateway.db-intake-0"), &damaged).unwrap();
        let path = folder.path().join("gateway.db");
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, read_envelope).unwrap());
        let numbers = stored(&*store).await;
        assert!(numbers.len() as i64 >= DELIVERIES - 1, "byte {at}: {numbers:?}");
        assert!(numbers.is_sorted_by(|one, next| one < next), "byte {at}: {numbers:?}");
        let problem = store.damage().unwrap_or_else(|| panic!("byte {at} is not reported"));
        assert!(problem.contains("gateway.db-intake-damaged-0"), "{problem}");
        // Further deliveries go elsewhere.
        receive(&*store, &long_delivery(DELIVERIES, 100)).await.unwrap();
        assert_eq!(stored(&*store).await.last(), Some(&DELIVERIES));
        store.close(LEASE).await;
        let kept = std::fs::read(folder.path().join("gateway.db-intake-damaged-0")).unwrap();
        assert!(kept == damaged, "byte {at}: the file was changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_while_the_gateway_runs_is_noticed_as_well() {
    let bench = Bench::of(Engine::Sqlite).await;
    for number in 0..10 {
        receive(&*bench.store, &long_delivery(number, 300)).await.unwrap();
    }
    let path = bench.location.folder().join("gateway.db-intake-0");
    let mut bytes = std::fs::read(&path).unwrap();
    // Within the fifth of ten.
    let at = bytes.len() / 2 - 100;
    bytes[at..at + 4].copy_from_slice(b"....");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    assert_eq!(stored(&*bench.store).await.len(), 9);
    assert!(bench.store.damage().is_some());
    // The damaged file is not written to any more, not even by the next delivery.
    let kept = bench.location.folder().join("gateway.db-intake-damaged-0");
    for number in 10..15 {
        receive(&*bench.store, &long_delivery(number, 300)).await.unwrap();
        assert_eq!(stored(&*bench.store).await.last(), Some(&number));
    }
    assert_eq!(std::fs::read(&kept).unwrap(), bytes);
    std::fs::remove_file(&kept).unwrap();
    assert_eq!(bench.store.damage(), None, "somebody took it away");
}
