//! `--watch`: prints a list again whenever something in it has changed, until Ctrl-C.
//!
//! The running gateway tells what has changed; a list of things that it does not tell of is read
//! every few seconds. Where the gateway goes away, it is asked again until it is back.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use serde_json::Value;

use super::change_stream::ChangeStream;
use super::gateway::{Gateway, Refused};
use super::output::{coloured_line, say};
use super::report::BACKOFF;
use super::resource::{Resource, items};
use super::table::{Columns, text};
use super::{Common, Usage};
use crate::jitter;
use crate::printable::printable;

/// The pause before a list is read again of whose changes the gateway sends no event, and before
/// the command tries again to reach a gateway.
const READ_EVERY: Duration = Duration::from_secs(3);
/// Changes that come within this time are shown together.
const SETTLE: Duration = Duration::from_millis(200);

/// See the module.
pub(super) async fn run(common: &Common, list: &Resource) -> anyhow::Result<ExitCode> {
    tokio::select! {
        ended = watch(common, list) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Watches until the gateway refuses it.
async fn watch(common: &Common, list: &Resource) -> anyhow::Result<ExitCode> {
    let mut shown = Shown::new(common.json);
    let gateway = match Gateway::running(common).await? {
        Some(gateway) => gateway,
        None => {
            let answer = Gateway::with(common, async |gateway| gateway.get(&list.path).await);
            shown.show(list, &answer.await?);
            eprintln!("no gateway runs here: waiting for one");
            until_running(common).await?
        }
    };
    let mut failures = 0;
    loop {
        let Err(error) = follow(&gateway, list, &mut shown, &mut failures).await else {
            // It may still be stopping.
            tokio::time::sleep(SETTLE).await;
            continue;
        };
        if shown.reads == 0 || error.is::<Refused>() {
            return Err(error);
        }
        failures += 1;
        if failures == 1 {
            say_trying_again(&error);
        }
        tokio::time::sleep(BACKOFF.wait(failures, jitter::random(), None)).await;
    }
}

/// Waits until a gateway runs. Its database is not opened meanwhile: it has one owner at a time.
async fn until_running(common: &Common) -> anyhow::Result<Gateway> {
    let mut is_said = false;
    loop {
        match Gateway::running(common).await {
            Ok(Some(gateway)) => return Ok(gateway),
            Ok(None) => {}
            Err(error) if error.is::<Usage>() => return Err(error),
            // One that begins may accept a connection before it can answer, and the configuration
            // may be written just now.
            Err(error) if !is_said => {
                say_trying_again(&error);
                is_said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}

fn say_trying_again(error: &anyhow::Error) {
    eprintln!("{}; trying again", printable(&format!("{error:#}")));
}

/// Shows the list, and again after each change, until the gateway ends the stream of changes: it
/// stops, or something was missed.
async fn follow(
    gateway: &Gateway,
    list: &Resource,
    shown: &mut Shown,
    failures: &mut u32,
) -> anyhow::Result<()> {
    let mut changes = match list.kind {
        Some(kind) => Some((kind, gateway.changes().await?)),
        None => None,
    };
    loop {
        let answer = gateway.get(&list.path).await?;
        if std::mem::take(failures) > 0 {
            eprintln!("the gateway answers again");
        }
        shown.show(list, &answer);
        match &mut changes {
            Some((kind, changes)) => {
                if !until_changed(changes, kind).await? {
                    return Ok(());
                }
            }
            None => tokio::time::sleep(READ_EVERY).await,
        }
    }
}

/// Waits for changes of this kind; false at the end of the stream.
async fn until_changed(changes: &mut ChangeStream, kind: &str) -> anyhow::Result<bool> {
    while let Some(change) = changes.next().await? {
        if text(&change, "kind") == kind {
            let more = async {
                while changes.next().await?.is_some() {}
                anyhow::Ok(())
            };
            if let Ok(ended) = tokio::time::timeout(SETTLE, more).await {
                ended?;
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// The rows that the command has printed so far.
struct Shown {
    is_json: bool,
    is_terminal: bool,
    /// How often the list was read.
    reads: usize,
    columns: Columns,
    /// What was printed of each item, by its id.
    printed: HashMap<String, String>,
}

impl Shown {
    fn new(is_json: bool) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let (columns, printed) = (Columns::default(), HashMap::new());
        Self { is_json, is_terminal, reads: 0, columns, printed }
    }

    fn show(&mut self, list: &Resource, answer: &Value) {
        self.reads += 1;
        match self.is_terminal && !self.is_json {
            true => draw(list, answer),
            false => self.append(list, answer),
        }
    }

    /// Prints the items that are new or look different, the oldest first.
    fn append(&mut self, list: &Resource, answer: &Value) {
        let render = |item: &Value| match self.is_json {
            true => vec![item.to_string()],
            false => (list.row)(item),
        };
        let rows: Vec<_> = items(answer).map(|item| (text(item, "id"), render(item))).collect();
        let now: HashMap<_, _> =
            rows.iter().map(|(id, row)| (id.clone(), row.join("\t"))).collect();
        let is_new = |(id, _): &&(String, Vec<String>)| self.printed.get(id) != now.get(id);
        let new = rows.iter().rev().filter(is_new).map(|(_, row)| row.clone());
        let new: Vec<Vec<String>> = new.collect();
        if !self.printed.is_empty() && new.len() == rows.len() && rows.len() > 1 {
            eprintln!("more has changed than the list holds: see a higher --limit");
        }
        if self.is_json {
            new.iter().flatten().for_each(|item| say!("{item}"));
        } else {
            let head = (self.reads == 1).then_some(list.head);
            self.columns.lines(head, &new).iter().for_each(|line| coloured_line(line));
        }
        self.printed = now;
    }
}

/// Draws the list over what the terminal shows, as far as there are rows and columns.
fn draw(list: &Resource, answer: &Value) {
    let rows: Vec<Vec<String>> = items(answer).map(list.row).collect();
    let mut lines = Columns::default().lines(Some(list.head), &rows);
    let height = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_row));
    // The cursor is below the last line. A terminal may not know its size.
    if height > 2 {
        lines.truncate(height - 1);
    }
    // Lines that are too long are cut, since they would take the rows of others.
    let (begin, end) = ("\x1b[?7l\x1b[H\x1b[2J", "\x1b[?7h");
    coloured_line(&format!("{begin}{}{end}", lines.join("\n")));
}
