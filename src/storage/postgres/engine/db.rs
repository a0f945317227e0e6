//! One connection while it is used: statements with typed parameters, and the transaction that they
//! run in.
//!
//! Statements that are polled together, as by `try_join`, travel together, and the server carries
//! them out in the order in which they were first polled.
//!
//! Every parameter states its type, so that a statement needs no description by the server. Behind
//! a pooler in transaction mode a statement has no name, since the next one may run on another
//! connection of the server; otherwise each connection prepares it once.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use deadpool_postgres::Object;
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::failure::Failure;

/// A value and its type in the database.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// Values that can be parameters.
pub(crate) trait Typed: ToSql + Sync {
    const TYPE: Type;
}

macro_rules! typed {
    ($($value:ty => $one:ident, $many:ident;)*) => {$(
        impl Typed for $value {
            const TYPE: Type = Type::$one;
        }
        impl Typed for Vec<$value> {
            const TYPE: Type = Type::$many;
        }
        impl Typed for Vec<Option<$value>> {
            const TYPE: Type = Type::$many;
        }
    )*};
}

typed! {
    i64 => INT8, INT8_ARRAY;
    bool => BOOL, BOOL_ARRAY;
    Vec<u8> => BYTEA, BYTEA_ARRAY;
    &[u8] => BYTEA, BYTEA_ARRAY;
    Cow<'_, str> => TEXT, TEXT_ARRAY;
}

impl<T: Typed> Typed for Option<T> {
    const TYPE: Type = T::TYPE;
}

/// Text of any origin as a parameter. PostgreSQL cannot store the character NUL, which a body may
/// contain: U+FFFD is stored in its place.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

/// A parameter.
pub(crate) fn param<T: Typed>(value: &T) -> Param<'_> {
    (value, T::TYPE)
}

/// Logs a statement with the types of its parameters, without their values.
pub(crate) fn trace(sql: &str, params: &[Param<'_>]) {
    let types = || params.iter().map(|(_, kind)| kind.name()).collect::<Vec<_>>().join(", ");
    tracing::trace!(sql, types = types());
}

/// The parameters of a statement, in the order of their numbers: `params![text(a), b]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::storage::postgres::engine::db::param(&$value)),*]
    };
}
pub(crate) use params;

/// How statements share transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Each statement is a transaction of its own.
    Single,
    /// All statements are one transaction that sees what others commit meanwhile.
    Transaction,
    /// All statements see the same state, and write nothing.
    Snapshot,
}

const NOT_BEGUN: u8 = 0;
const OPEN: u8 = 1;
const ENDED: u8 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Db {
    client: Option<Object>,
    /// Whether statements may have names.
    has_names: bool,
    /// Begins a transaction; none in [`Mode::Single`].
    begin: Option<String>,
    transaction: AtomicU8,
    /// Held until a statement is sent: one that has to be prepared first is not overtaken by one
    /// that was asked for later. Those who wait get it in turn.
    turn: Mutex<()>,
}

impl Db {
    /// `settings` are statements that set the limits of a transaction where the connection has
    /// none.
    pub(crate) fn new(client: Object, has_names: bool, mode: Mode, settings: &str) -> Self {
        let begin = match mode {
            Mode::Single => None,
            Mode::Transaction => Some(format!("BEGIN; {settings}")),
            Mode::Snapshot => {
                Some(format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {settings}"))
            }
        };
        Self {
            client: Some(client),
            has_names,
            begin,
            transaction: AtomicU8::new(NOT_BEGUN),
            turn: Mutex::new(()),
        }
    }

    fn client(&self) -> Result<&Object, Failure> {
        self.client.as_ref().ok_or_else(|| Failure::Connection("it is closed".into()))
    }

    /// The rows that a statement returns.
    pub(crate) async fn rows(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        trace(sql, params);
        // The futures of the client are large, and a transaction has many of them.
        Box::pin(async {
            let (client, turn) = (self.client()?, self.turn.lock().await);
            if !self.has_names {
                let query = async { Ok(client.query_typed(sql, params).await?) };
                return self.send(turn, query).await;
            }
            let types: Vec<Type> = params.iter().map(|(_, kind)| kind.clone()).collect();
            let statement = client.prepare_typed_cached(sql, &types).await?;
            let values: Vec<&(dyn ToSql + Sync)> = params.iter().map(|(value, _)| *value).collect();
            let query = async { Ok(client.query(&statement, &values).await?) };
            self.send(turn, query).await
        })
        .await
    }

    /// The row that a statement returns; none when it returns none.
    pub(crate) async fn row(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// Whether a statement returns a row.
    pub(crate) async fn exists(&self, sql: &str, params: &[Param<'_>]) -> Result<bool, Failure> {
        Ok(self.row(sql, params).await?.is_some())
    }

    /// How many rows a statement inserted, updated or deleted.
    pub(crate) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, Failure> {
        trace(sql, params);
        Box::pin(async {
            let (client, turn) = (self.client()?, self.turn.lock().await);
            if !self.has_names {
                let execute = async { Ok(client.execute_typed(sql, params).await?) };
                return self.send(turn, execute).await;
            }
            let types: Vec<Type> = params.iter().map(|(_, kind)| kind.clone()).collect();
            let statement = client.prepare_typed_cached(sql, &types).await?;
            let values: Vec<&(dyn ToSql + Sync)> = params.iter().map(|(value, _)| *value).collect();
            let execute = async { Ok(client.execute(&statement, &values).await?) };
            self.send(turn, execute).await
        })
        .await
    }

    /// Statements without parameters, such as those of a migration.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        let (client, turn) = (self.client()?, self.turn.lock().await);
        self.send(turn, async { Ok(client.batch_execute(sql).await?) }).await
    }

    /// Sends `statement`, which its first poll does, and gives the turn to the next one.
    async fn send<T>(
        &self,
        turn: MutexGuard<'_, ()>,
        statement: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut statement = pin!(self.begun_with(statement));
        let sent = poll_fn(|context| Poll::Ready(statement.as_mut().poll(context))).await;
        drop(turn);
        match sent {
            Poll::Ready(answer) => answer,
            Poll::Pending => statement.await,
        }
    }

    /// Sends `statement`, before it the beginning of the transaction where that is missing: both
    /// travel together.
    async fn begun_with<T>(
        &self,
        statement: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(begin) = &self.begin else { return statement.await };
        let client = self.client()?;
        match self.transaction.swap(OPEN, Ordering::AcqRel) {
            NOT_BEGUN => {
                let begin = client.batch_execute(begin);
                let (begun, answer) = futures_util::future::join(begin, statement).await;
                begun?;
                answer
            }
            _ => statement.await,
        }
    }

    /// Commits the transaction, if one was begun.
    pub(crate) async fn commit(&self) -> Result<(), Failure> {
        self.end("COMMIT").await
    }

    /// Takes everything back that the transaction wrote.
    pub(crate) async fn roll_back(&self) -> Result<(), Failure> {
        self.end("ROLLBACK").await
    }

    async fn end(&self, sql: &str) -> Result<(), Failure> {
        if self.transaction.load(Ordering::Acquire) == OPEN {
            self.client()?.batch_execute(sql).await?;
            self.transaction.store(ENDED, Ordering::Release);
        }
        Ok(())
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        // A connection whose transaction was not ended is closed, not used again.
        let is_open = self.transaction.load(Ordering::Acquire) == OPEN;
        if let Some(client) = self.client.take().filter(|_| is_open) {
            drop(Object::take(client));
        }
    }
}
