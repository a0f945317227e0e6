//! A target that fails after some pages.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use azdo_gateway::storage::Error;
use azdo_gateway::storage::transfer::{Page, Row, Side, Table, Value};

/// See the module.
#[derive(Debug)]
pub(super) struct Stopping<'a> {
    target: &'a dyn Side,
    pages: AtomicUsize,
}

impl<'a> Stopping<'a> {
    pub(super) fn after(pages: usize, target: &'a dyn Side) -> Self {
        Self { target, pages: pages.into() }
    }
}

#[async_trait]
impl Side for Stopping<'_> {
    async fn check_unused(&self) -> Result<(), Error> {
        self.target.check_unused().await
    }

    async fn meta(&self, key: &'static str) -> Result<Option<String>, Error> {
        self.target.meta(key).await
    }

    async fn page(&self, table: &'static Table, after: Vec<Value>) -> Result<Vec<Row>, Error> {
        self.target.page(table, after).await
    }

    async fn last_number(&self, table: &'static Table) -> Result<i64, Error> {
        self.target.last_number(table).await
    }

    async fn begin(&self, gateway: String, mark: String) -> Result<bool, Error> {
        self.target.begin(gateway, mark).await
    }

    async fn write(&self, page: Page) -> Result<bool, Error> {
        if self.pages.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(Error::unavailable("stopped"));
        }
        self.target.write(page).await
    }

    async fn finish(
        &self,
        mark: String,
        record: String,
        numbers: Vec<(&'static Table, i64)>,
    ) -> Result<bool, Error> {
        self.target.finish(mark, record, numbers).await
    }
}
