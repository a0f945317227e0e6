//! Tokens on disk: neither the database nor its log holds one in plain text, and the root key opens
//! what is stored.

use azdo_gateway::domain::audit::Action;
use azdo_gateway::secret::{Keyring, RootKey, Secret};
use azdo_gateway::storage::{
    Commit, LinkChange, LinkTo, Login, Refresh, RefreshCommit, Refreshed, Store,
};

use super::make::{ORGANIZATION, entry, link, login};
use super::{Bench, LEASE, Location, at};

const PLAIN: &str = "a-token-that-nobody-may-read";
/// Stored in plain text: proves that the search finds text.
const READABLE: &str = "ci@fabrikam.example";

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// How many of the store's files, or of the values in its tables, hold that text.
fn places_with(bench: &Bench, text: &str) -> usize {
    let folder = match &*bench.location {
        Location::Folder(folder) => folder.path(),
        Location::Database(database) => return database.values_with(text),
    };
    let files = std::fs::read_dir(folder).unwrap();
    files.filter(|file| holds(&std::fs::read(file.as_ref().unwrap().path()).unwrap(), text)).count()
}

async fn store_all(store: &dyn Store, keys: &Keyring) {
    let seal = || keys.seal(PLAIN, &Secret::new(PLAIN.into())).unwrap();
    let begun = Login { verifier: seal(), ..login(1, 5, 60) };
    store.begin_login(begun, at(0)).await.unwrap();
    let mut made = link(ORGANIZATION, 1);
    (made.refresh_token, made.access_token) = (seal(), Some(seal()));
    let (organization, to) = (ORGANIZATION.to_owned(), LinkTo::Linked(Box::new(made)));
    let change = LinkChange { organization, to, entry: entry(0, Action::Link) };
    assert_eq!(store.commit_link(change).await.unwrap(), Commit::Committed);
    let claimed = store.claim_refresh(ORGANIZATION, at(0), LEASE).await.unwrap();
    let Refresh::Leased { lease, .. } = claimed else { panic!("it is free") };
    let refreshed = Refreshed::Renewed {
        refresh_token: seal(),
        access_token: seal(),
        access_expires_at: at(9),
        at: at(1),
    };
    let entry = Some(entry(1, Action::Refresh));
    let commit = RefreshCommit { organization: ORGANIZATION.into(), lease, refreshed, entry };
    assert_eq!(store.commit_refresh(commit).await.unwrap(), Commit::Committed);
}

#[tokio::test]
async fn no_file_holds_a_token_in_plain_text() {
    for bench in Bench::all().await {
        let keys = Keyring { current: RootKey::generate().unwrap(), previous: None };
        store_all(&*bench.store, &keys).await;
        assert!(places_with(&bench, READABLE) > 0);
        assert_eq!(places_with(&bench, PLAIN), 0);
        let bench = bench.reopened().await;
        assert!(places_with(&bench, READABLE) > 0);
        assert_eq!(places_with(&bench, PLAIN), 0);
        let stored = bench.store.link(ORGANIZATION).await.unwrap().unwrap();
        for sealed in [Some(stored.refresh_token), stored.access_token] {
            let opened = keys.open(PLAIN, &sealed.unwrap()).expect("it came back as it went");
            assert_eq!(opened.secret.expose(), PLAIN);
        }
    }
}
