//! The network fails where the test wants it to.

use std::process::Output;

use super::super::postgres::{answer, client_program};
use crate::harness::{At, Cut, Database, Fault, Kind, Moment, Server};

const THREE: &str = "INSERT INTO one VALUES (1);\nINSERT INTO one VALUES (2);\n\
INSERT INTO one VALUES (3);\n";

fn database() -> Database {
    let database = Database::create();
    database.sql("CREATE TABLE one (n int)");
    database
}

fn through(cut: &Cut, database: &Database) -> Server {
    database.owner_at(cut.address())
}

/// Inserts three times with one prepared statement.
fn insert_prepared(cut: &Cut, database: &Database) -> Output {
    let script = "INSERT INTO one VALUES (4);\n";
    let server = through(cut, database);
    let arguments = ["--protocol=prepared", "--no-vacuum", "--transactions=3", "--client=1"];
    client_program("pgbench", &server, database.name(), &arguments, script)
}

fn count(database: &Database) -> String {
    database.sql("SELECT count(*) FROM one")
}

#[tokio::test]
async fn the_nth_statement_with_certain_words_never_reaches_the_server() {
    let database = database();
    let cut = Cut::before(&Server::of_the_run().address);
    cut.set(At::Statement("INSERT INTO one".into()), 1, Moment::Before, Fault::Cut);
    assert!(through(&cut, &database).try_sql(database.name(), THREE).is_err());
    cut.triggered().await;
    assert_eq!(count(&database), "1");
    // It fails once.
    through(&cut, &database).sql(database.name(), THREE);
    assert_eq!(count(&database), "4");
    assert_eq!(cut.connections(), 2);
}

#[tokio::test]
async fn the_nth_statement_is_executed_and_its_answer_lost() {
    let database = database();
    let cut = Cut::before(&Server::of_the_run().address);
    cut.set(At::Message(Kind::Query), 1, Moment::After, Fault::Cut);
    assert!(through(&cut, &database).try_sql(database.name(), THREE).is_err());
    cut.triggered().await;
    assert_eq!(count(&database), "2");
}

#[tokio::test]
async fn a_prepared_statement_is_found_where_it_is_executed() {
    for (moment, inserted) in [(Moment::Before, "1"), (Moment::After, "2")] {
        for at in [At::Statement("INTO one".into()), At::Message(Kind::Execute)] {
            let database = database();
            let cut = Cut::before(&Server::of_the_run().address);
            cut.set(at, 1, moment, Fault::Cut);
            assert!(!insert_prepared(&cut, &database).status.success());
            cut.triggered().await;
            assert_eq!(count(&database), inserted, "{moment:?}");
        }
    }
}

#[tokio::test]
async fn every_message_of_a_prepared_statement_can_be_the_last() {
    for kind in [Kind::Parse, Kind::Bind, Kind::Execute, Kind::Sync] {
        let database = database();
        let cut = Cut::before(&Server::of_the_run().address);
        cut.set(At::Message(kind), 0, Moment::Before, Fault::Cut);
        assert!(!insert_prepared(&cut, &database).status.success());
        cut.triggered().await;
        assert_eq!(count(&database), "0", "{kind:?}");
    }
}

#[tokio::test]
async fn a_connection_that_hangs_goes_on_when_it_is_resumed() {
    for (moment, inserted) in [(Moment::Before, "1"), (Moment::After, "2")] {
        let database = database();
        let cut = Cut::before(&Server::of_the_run().address);
        cut.set(At::Statement("VALUES (2)".into()), 0, moment, Fault::Hang);
        let mut waiting = through(&cut, &database).begin_sql(database.name(), THREE);
        cut.triggered().await;
        assert_eq!(count(&database), inserted);
        assert!(waiting.try_wait().expect("it is a child").is_none());
        cut.resume();
        assert_eq!(answer(waiting), Ok(String::new()));
        assert_eq!(count(&database), "3");
    }
}

#[test]
fn connections_are_cut_refused_and_led_elsewhere() {
    let database = database();
    let cut = Cut::before(&Server::of_the_run().address);
    cut.hang();
    let waiting = through(&cut, &database).begin_sql(database.name(), THREE);
    while cut.connections() == 0 {
        std::thread::yield_now();
    }
    cut.cut();
    assert!(answer(waiting).is_err());
    cut.resume();
    cut.forward_to(None);
    assert!(through(&cut, &database).try_sql(database.name(), THREE).is_err());
    cut.forward_to(Some(&Server::of_the_run().address));
    through(&cut, &database).sql(database.name(), THREE);
    assert_eq!(count(&database), "3");
}
