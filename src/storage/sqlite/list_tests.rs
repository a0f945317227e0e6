//! The cost of lists: the rows of a filter are found by an index, or among a limited number of
//! rows.

use uuid::Uuid;

use rusqlite::Connection;

use super::audit::audit_search;
use super::deliveries::list::{deliveries, delivery_search};
use super::engine::schema::prepare;
use super::engine::search::{Keys, MISSES_MAX};
use super::runs::list::run_search;
use super::statuses::list::status_search;
use crate::domain::audit::Action;
use crate::domain::decision::{Outcome, Source};
use crate::domain::event::Event;
use crate::domain::id::RunId;
use crate::domain::time::Timestamp;
use crate::storage::{
    AuditFilter, Between, DeliveryFilter, Migrate, Page, RunFilter, StatusFilter,
};

fn database() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    prepare(&db, Migrate::Auto).unwrap().unwrap();
    db
}

/// The query plan for the keys.
fn plan(db: &Connection, keys: &Keys) -> String {
    let sql = format!("EXPLAIN QUERY PLAN {}", keys.sql(false));
    let mut statement = db.prepare(&sql).unwrap();
    let lines = statement.raw_query();
    let lines: Vec<String> = lines.mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
    lines.join("; ")
}

fn has(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn deliveries_are_found_by_an_index_or_newest_first() {
    let db = database();
    let none = DeliveryFilter::default;
    let newest = "SEARCH delivery USING INTEGER PRIMARY KEY (rowid<?)";
    let by_outcome = "SEARCH decision USING COVERING INDEX decision_by_outcome \
                      (outcome=? AND rowid<?)";
    let by_source = "SEARCH delivery USING COVERING INDEX delivery_by_source \
                     (source=? AND rowid<?)";
    let by_type = "SEARCH delivery USING COVERING INDEX delivery_by_type \
                   (event_type=? AND rowid<?)";
    for (filter, wanted) in [
        (none(), newest),
        (DeliveryFilter { organization: has("fabrikam"), ..none() }, newest),
        (DeliveryFilter { event_type: has("git.push"), ..none() }, newest),
        (DeliveryFilter { event_type: has("git.repo.created"), ..none() }, by_type),
        (DeliveryFilter { event: Some(Event::PullRequestVoted), ..none() }, newest),
        (DeliveryFilter { source: Some(Source::Hook), ..none() }, newest),
        (DeliveryFilter { source: Some(Source::CatchUp), ..none() }, by_source),
        (DeliveryFilter { source: Some(Source::Replay), ..none() }, by_source),
        (DeliveryFilter { outcome: Some(Outcome::Quarantined), ..none() }, by_outcome),
        (DeliveryFilter { outcome: Some(Outcome::Started), ..none() }, by_outcome),
        (
            DeliveryFilter { outcome: Some(Outcome::Pending), ..none() },
            "SEARCH inbox USING INTEGER PRIMARY KEY (rowid<?)",
        ),
    ] {
        assert_eq!(plan(&db, &delivery_search(&filter).keys), wanted, "{filter:?}");
    }
}

#[test]
fn runs_are_found_by_an_index_or_newest_first() {
    let db = database();
    let none = RunFilter::default;
    let newest = "SEARCH run USING INTEGER PRIMARY KEY (rowid<?)";
    for (filter, wanted) in [
        (none(), newest),
        (RunFilter { check: has("unit-tests"), ..none() }, newest),
        (RunFilter { state: has("succeeded"), ..none() }, newest),
        (
            RunFilter { state: has("failed"), ..none() },
            "SEARCH run USING COVERING INDEX run_by_state (state=? AND rowid<?)",
        ),
        (
            RunFilter { state: has("running"), ..none() },
            "SEARCH run USING INDEX run_by_overdue (overdue_at>?); USE TEMP B-TREE FOR ORDER BY",
        ),
        (
            RunFilter { commit: has("c0ffee"), ..none() },
            "SEARCH run USING COVERING INDEX run_by_commit (commit_start=? AND rowid<?)",
        ),
        (
            RunFilter { pull_request: Some(7), ..none() },
            "SCAN repository; SEARCH run USING COVERING INDEX run_by_subject \
             (organization=? AND subject=? AND number<?); USE TEMP B-TREE FOR ORDER BY",
        ),
    ] {
        assert_eq!(plan(&db, &run_search(&filter).keys), wanted, "{filter:?}");
    }
    for filter in [
        RunFilter { repository: has("b90f6c2e"), ..none() },
        RunFilter { organization: has("fabrikam"), ..none() },
    ] {
        let search = run_search(&filter);
        assert_eq!(plan(&db, &search.keys), newest, "{filter:?}");
        let fallback = plan(&db, &search.fallback.unwrap());
        let by_subject = "SEARCH run USING COVERING INDEX run_by_subject (organization=?";
        assert!(fallback.contains(by_subject), "{filter:?}: {fallback}");
    }
}

#[test]
fn statuses_are_found_by_an_index_or_newest_first() {
    let db = database();
    let none = StatusFilter::default;
    let newest = "SEARCH status USING INTEGER PRIMARY KEY (rowid<?)";
    let by_outcome = "SEARCH status USING COVERING INDEX status_by_outcome \
                      (outcome=? AND rowid<?)";
    for (filter, wanted) in [
        (none(), newest),
        (StatusFilter { organization: has("fabrikam"), ..none() }, newest),
        (StatusFilter { outcome: has("posted"), ..none() }, newest),
        (StatusFilter { outcome: has("superseded"), ..none() }, newest),
        (StatusFilter { outcome: has("refused"), ..none() }, by_outcome),
        (StatusFilter { outcome: has("unchanged"), ..none() }, by_outcome),
        (
            StatusFilter { outcome: has("queued"), ..none() },
            "SCAN status USING COVERING INDEX status_queued; USE TEMP B-TREE FOR ORDER BY",
        ),
        (
            StatusFilter { run: Some(RunId(Uuid::nil())), ..none() },
            "SEARCH status USING COVERING INDEX status_by_run (run=? AND rowid<?)",
        ),
    ] {
        assert_eq!(plan(&db, &status_search(&filter).keys), wanted, "{filter:?}");
    }
}

#[test]
fn entries_of_the_audit_log_are_found_by_an_index_or_newest_first() {
    let db = database();
    let none = AuditFilter::default;
    let newest = "SEARCH audit USING INTEGER PRIMARY KEY (rowid<?)";
    let by_organization = "SEARCH audit USING COVERING INDEX audit_by_organization \
                           (organization=? AND rowid<?)";
    let by_run = "SEARCH audit USING COVERING INDEX audit_by_run (run=? AND rowid<?)";
    let by_pat = "SEARCH audit USING COVERING INDEX audit_by_pat (pat=? AND rowid<?)";
    let run = Some(RunId(Uuid::nil()));
    for (filter, wanted) in [
        (none(), newest),
        (AuditFilter { action: Some(Action::Rotate), ..none() }, newest),
        (AuditFilter { actor: has("jo@contoso.com"), ..none() }, newest),
        (AuditFilter { organization: has("fabrikam"), ..none() }, by_organization),
        (AuditFilter { organization: has("fabrikam"), run, ..none() }, by_run),
        (AuditFilter { pat: has("a1b2"), run, ..none() }, by_pat),
    ] {
        assert_eq!(plan(&db, &audit_search(&filter).keys), wanted, "{filter:?}");
    }
}

fn insert(db: &Connection, organization: &str, count: usize) {
    db.execute(
        "WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < ?2)
         INSERT INTO delivery (organization, hook, source, received_at, event_type, body,
            body_bytes)
         SELECT ?1, 'push', 'hook', 0, 'git.push', x'', 0 FROM one",
        rusqlite::params![organization, i64::try_from(count).unwrap()],
    )
    .unwrap();
}

#[test]
fn a_page_reads_a_limited_number_of_rows_and_the_next_page_continues_there() {
    let db = database();
    insert(&db, "quiet", 2);
    insert(&db, "busy", 2 * MISSES_MAX + 10);
    insert(&db, "quiet", 1);
    let filter = DeliveryFilter { organization: has("Quiet"), ..Default::default() };
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let found = deliveries(&db, &filter, Page { limit: 2, before }).unwrap();
        pages.push(found.items.iter().map(|item| item.id.0).collect::<Vec<_>>());
        before = found.next;
        if before.is_none() {
            break;
        }
    }
    let newest = 2 * i64::try_from(MISSES_MAX).unwrap() + 13;
    assert_eq!(pages, [vec![newest], vec![], vec![2, 1]]);
    // A frequent value fills its page at once.
    let filter = DeliveryFilter { organization: has("busy"), ..Default::default() };
    let page = Page { limit: 3, before: None };
    assert_eq!(deliveries(&db, &filter, page).unwrap().items.len(), 3);
}

#[test]
fn a_run_that_is_not_among_the_newest_is_found_by_an_index() {
    let db = database();
    let run = |organization: &str, repository: &str, count: usize| {
        db.execute(
            "INSERT OR IGNORE INTO repository (organization, id, name, former)
             VALUES (?1, ?2, 'p/r', '[]')",
            [organization, repository],
        )
        .unwrap();
        db.execute(
            "WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < ?3)
             INSERT INTO run (id, revision, organization, subject, check_key, commit_start, state,
                body, updated_at)
             SELECT randomblob(16), 1, ?1, 'ref/' || ?2 || '/refs/heads/main', 'k', '', 'succeeded',
                json_object('repository', json_object('id', ?2)), 0 FROM one",
            rusqlite::params![organization, repository, i64::try_from(count).unwrap()],
        )
        .unwrap();
    };
    run("fabrikam", "quiet", 3);
    run("contoso", "other", 2);
    run("fabrikam", "busy", MISSES_MAX + 1);
    let numbers = |filter: RunFilter| {
        let read = |number| Ok(Some(number));
        let page = Page { limit: 2, before: None };
        let found = run_search(&filter).page(&db, page, read).unwrap();
        (found.items, found.next)
    };
    let quiet = RunFilter { repository: has("quiet"), ..Default::default() };
    assert_eq!(numbers(quiet), (vec![3, 2], Some(2)));
    let contoso = RunFilter { organization: has("CONTOSO"), ..Default::default() };
    assert_eq!(numbers(contoso), (vec![5, 4], None));
}

#[test]
fn rows_of_other_times_are_not_read() {
    let db = database();
    let count = 3 * MISSES_MAX;
    insert(&db, "busy", count);
    // A minute apart.
    db.execute("UPDATE delivery SET received_at = id * 60000000", []).unwrap();
    let minute =
        |number: usize| Some(Timestamp::from_micros(i64::try_from(number).unwrap() * 60_000_000));
    let found = |organization: &str, since: Option<Timestamp>, until: Option<Timestamp>| {
        let between = Between { since, until };
        let filter =
            DeliveryFilter { organization: has(organization), between, ..Default::default() };
        let found = deliveries(&db, &filter, Page { limit: 3, before: None }).unwrap();
        (found.items.iter().map(|one| one.id.0).collect::<Vec<_>>(), found.next)
    };
    assert_eq!(found("busy", None, minute(100)), (vec![99, 98, 97], Some(97)));
    assert_eq!(found("busy", minute(98), minute(100)), (vec![99, 98], None));
    let newest = i64::try_from(count).unwrap();
    assert_eq!(found("busy", minute(count), None), (vec![newest], None));
    // Nothing is left to look at, so there is no next page.
    assert_eq!(found("quiet", minute(count - 100), None), (vec![], None));
    assert_eq!(found("quiet", None, None).1, Some(newest - 1_999));
}
