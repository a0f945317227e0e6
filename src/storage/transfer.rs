//! Moves everything from one store into another, whatever engines they have, while no gateway uses
//! either of them.
//!
//! Rows are moved in pages. The transaction of each page stores a mark in the target that says
//! which page is next, so that a move that was killed is continued. While the mark is there no
//! gateway starts on the target. At the end the contents of both are compared, and a record of them
//! takes the place of the mark: by it a move that is called again is known to be done.

mod row;
mod tables;

use std::fmt::Debug;

use async_trait::async_trait;
use futures_util::future::try_join;
use serde::{Deserialize, Serialize};

use super::codec;
use super::error::Error;
pub use row::{Content, Row, Value};
pub use tables::{Kind, TABLES, Table};

/// The key in `meta` of the mark of an unfinished move.
pub(super) const MARK: &str = "moving";
/// The key in `meta` of the record of a finished one.
pub(super) const RECORD: &str = "moved";
/// Rows of one page.
pub(super) const PAGE_ROWS_MAX: usize = 1_000;
/// A page ends with the row that makes it longer than this.
pub(super) const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A store that is moved from or into.
#[async_trait]
pub trait Side: Debug + Send + Sync {
    /// # Errors
    /// A gateway uses the store.
    async fn check_unused(&self) -> Result<(), Error>;

    /// What `meta` has under this key.
    async fn meta(&self, key: &'static str) -> Result<Option<String>, Error>;

    /// The first rows of a table in the order of its key, or the first ones behind a key; none
    /// where no more follow.
    async fn page(&self, table: &'static Table, after: Vec<Value>) -> Result<Vec<Row>, Error>;

    /// The greatest number that a numbered table has given to a row, 0 where it gave none.
    async fn last_number(&self, table: &'static Table) -> Result<i64, Error>;

    /// Takes over the name of an installation and sets the first mark. False where the store is
    /// not empty, and then nothing is changed.
    async fn begin(&self, gateway: String, mark: String) -> Result<bool, Error>;

    /// Stores a page and the mark behind it. Rows that are there stay. False where the mark is not
    /// the one before the page, and then nothing is changed.
    async fn write(&self, page: Page) -> Result<bool, Error>;

    /// Replaces the mark with the record, and lets tables number on behind these numbers. False
    /// where the mark is another one, and then nothing is changed.
    async fn finish(
        &self,
        mark: String,
        record: String,
        numbers: Vec<(&'static Table, i64)>,
    ) -> Result<bool, Error>;
}

/// Rows to be stored, with the marks before and behind them.
#[derive(Debug)]
pub struct Page {
    pub table: &'static Table,
    pub rows: Vec<Row>,
    pub before: String,
    pub behind: String,
}

/// How far a move is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub step: Step,
    pub table: &'static str,
    /// Rows of this table, since the move was called.
    pub rows: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Moving,
    Comparing,
}

/// A move that is done.
#[derive(Debug)]
pub struct Moved {
    /// The name of the installation.
    pub gateway: String,
    /// Whether it had been done by an earlier call.
    pub was_done: bool,
    pub contents: Vec<Content>,
}

/// The mark of an unfinished move.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Unfinished {
    gateway: String,
    /// The source, as the operator named it.
    from: String,
    /// The table of the last page.
    table: String,
    /// The key of its last row: what is behind it is missing.
    after: Vec<Value>,
}

/// The record of a finished move.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    gateway: String,
    /// The checksums of all tables.
    contents: Vec<String>,
}

impl Record {
    fn new(gateway: &str, contents: &[Content]) -> Self {
        let one = |content: &Content| {
            format!("{} {} {}", content.table, content.rows, content.checksum())
        };
        Self { gateway: gateway.to_owned(), contents: contents.iter().map(one).collect() }
    }
}

/// Why no gateway can use a store that has this mark.
pub(super) fn unfinished(mark: &str) -> String {
    let from = codec::from_json::<Unfinished>(mark).map(|mark| mark.from);
    let from = from.unwrap_or_else(|_| "URL".into());
    format!(
        "the database holds only a part of what is being moved into it from {from}: call \
         `azdo-gateway migrate --from {from} --to URL` again, or begin with an empty database"
    )
}

/// Moves everything from `source`, which the operator calls `from`, into `target`, or continues to.
///
/// # Errors
/// A gateway uses one of them, the target holds something else, one of them fails, or what is there
/// at the end differs; and what to do about it.
pub async fn run(
    source: &dyn Side,
    from: &str,
    target: &dyn Side,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Moved, Error> {
    source.check_unused().await?;
    let gateway = source.meta("gateway").await?;
    let gateway = gateway.ok_or_else(|| Error::unavailable("the source has no name"))?;
    let mark = target.meta(MARK).await?;
    if let Some(record) = target.meta(RECORD).await?.filter(|_| mark.is_none()) {
        return done_before(source, gateway, &record, report).await;
    }
    target.check_unused().await?;
    let begun = match mark {
        Some(mark) => begun_before(&mark, &gateway, from)?,
        None => begin(target, &gateway, from).await?,
    };
    let mark = copy(source, target, begun, report).await?;
    let contents = compare(source, target, report).await?;
    let mut numbers = Vec::new();
    for table in TABLES.iter().filter(|table| table.is_numbered) {
        numbers.push((table, source.last_number(table).await?));
    }
    source.check_unused().await?;
    target.check_unused().await?;
    let record = to_json(&Record::new(&gateway, &contents))?;
    match target.finish(to_json(&mark)?, record, numbers).await? {
        true => Ok(Moved { gateway, was_done: false, contents }),
        false => Err(other_move()),
    }
}

fn to_json(value: &impl Serialize) -> Result<String, Error> {
    codec::to_json(value).map_err(|error| Error::unavailable(error.to_string()))
}

fn other_move() -> Error {
    Error::unavailable("another process moves into the target at this moment: let it finish")
}

fn newer() -> Error {
    Error::unavailable("a newer version began this move: let it finish the move")
}

fn other_data() -> Error {
    Error::unavailable(
        "the target holds data already, and not all of what the source holds now: give --to an \
         empty database",
    )
}

/// The mark of a move that an earlier call began.
fn begun_before(mark: &str, gateway: &str, from: &str) -> Result<Unfinished, Error> {
    let mark: Unfinished = codec::from_json(mark).map_err(|_| newer())?;
    if mark.gateway != gateway {
        return Err(Error::unavailable(format!(
            "{} is being moved into the target, and {from} is another gateway: continue that move, \
             or give --to an empty database",
            mark.from
        )));
    }
    Ok(mark)
}

/// The target has a record: the move is done if the source is still as it was then.
async fn done_before(
    source: &dyn Side,
    gateway: String,
    record: &str,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Moved, Error> {
    let record: Record = codec::from_json(record).map_err(|_| other_data())?;
    if record.gateway != gateway {
        return Err(other_data());
    }
    let mut contents = Vec::new();
    for table in &TABLES {
        contents.push(content(source, table, report).await?);
    }
    match Record::new(&gateway, &contents) == record {
        true => Ok(Moved { gateway, was_done: true, contents }),
        false => Err(other_data()),
    }
}

async fn begin(target: &dyn Side, gateway: &str, from: &str) -> Result<Unfinished, Error> {
    let mark = Unfinished {
        gateway: gateway.to_owned(),
        from: from.to_owned(),
        table: TABLES.first().map(|table| table.name.to_owned()).unwrap_or_default(),
        after: Vec::new(),
    };
    match target.begin(gateway.to_owned(), to_json(&mark)?).await? {
        true => Ok(mark),
        false => Err(other_data()),
    }
}

/// Copies the rows behind the mark. Returns the last mark.
async fn copy(
    source: &dyn Side,
    target: &dyn Side,
    begun: Unfinished,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Unfinished, Error> {
    let first = TABLES.iter().position(|table| table.name == begun.table).ok_or_else(newer)?;
    let mut stored = begun;
    for (number, table) in TABLES.iter().enumerate().skip(first) {
        let mut after = if number == first { stored.after.clone() } else { Vec::new() };
        let mut count = 0;
        loop {
            report(Progress { step: Step::Moving, table: table.name, rows: count });
            let rows = source.page(table, after.clone()).await?;
            let Some(last) = rows.last() else { break };
            after = row::key(table, last);
            count += u64::try_from(rows.len()).unwrap_or_default();
            let (name, key) = (table.name.to_owned(), after.clone());
            let next = Unfinished { table: name, after: key, ..stored.clone() };
            let (before, behind) = (to_json(&stored)?, to_json(&next)?);
            source.check_unused().await?;
            target.check_unused().await?;
            if !target.write(Page { table, rows, before, behind }).await? {
                return Err(other_move());
            }
            stored = next;
        }
    }
    Ok(stored)
}

/// Compares every table. Returns what each of them holds.
async fn compare(
    source: &dyn Side,
    target: &dyn Side,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Content>, Error> {
    let mut contents = Vec::new();
    for table in &TABLES {
        let silent = &mut |_| {};
        let both = try_join(content(source, table, report), content(target, table, silent));
        let (there, here) = both.await?;
        if there != here {
            return Err(Error::unavailable(format!(
                "the table {} has {} rows in the source and {} in the target, or their contents \
                 differ: the source was used, or the target written to, since the move began; \
                 begin with an empty target",
                table.name, there.rows, here.rows
            )));
        }
        contents.push(here);
    }
    Ok(contents)
}

async fn content(
    side: &dyn Side,
    table: &'static Table,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Content, Error> {
    let mut content = Content::none_of(table);
    let mut after = Vec::new();
    loop {
        report(Progress { step: Step::Comparing, table: table.name, rows: content.rows });
        let rows = side.page(table, after).await?;
        let Some(last) = rows.last() else { return Ok(content) };
        after = row::key(table, last);
        rows.iter().for_each(|row| content.add(row));
    }
}
