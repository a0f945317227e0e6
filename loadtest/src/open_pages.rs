//! Pages that are open in browsers while a gateway is loaded: each listens to what has changed and
//! then reads again the parts that show it, as seldom as the script of the pages does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::task::JoinSet;

use crate::gateway::signed_in;

/// One of so many shows the deliveries, of which each is a change; the others show a pull request
/// of which nothing changes.
const ONE_LIST_IN: usize = 20;
/// What a page listens to, and the parts of it that show that.
const LIST: (&str, &[&str]) = ("delivery,run", &["/ui/deliveries?part=list"]);
const PULL_REQUEST: (&str, &[&str]) = ("/contoso/Logistics/_git/warehouse/pullrequest/999999", &[]);
const REST_MIN: Duration = Duration::from_secs(1);
/// A page rests so many times as long as it has read.
const REST_SHARE: u32 = 10;

/// See the module. They are closed when this is dropped.
#[derive(Debug)]
pub(crate) struct OpenPages(JoinSet<anyhow::Result<()>>);

impl OpenPages {
    /// Opens so many pages of a gateway, each with a connection that stays open.
    pub(crate) async fn open(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let mut pages = JoinSet::new();
        for number in 0..count {
            let page = if number % ONE_LIST_IN == 0 { LIST } else { PULL_REQUEST };
            let browser = signed_in(address).await?;
            let mut events = browser.listen(&format!("/ui/live?about={}", page.0)).await?;
            pages.spawn(async move {
                while events.until("event: changed").await? {
                    let begun = Instant::now();
                    for part in page.1 {
                        let answer = browser.open(part).await?;
                        if answer.status != 200 {
                            bail!("{part} answered {}", answer.status);
                        }
                    }
                    tokio::time::sleep(REST_MIN.max(REST_SHARE * begun.elapsed())).await;
                }
                bail!("the stream of a page has ended");
            });
        }
        Ok(Self(pages))
    }

    /// Closes the pages.
    ///
    /// # Errors
    /// One was not live all the time.
    pub(crate) fn close(mut self) -> anyhow::Result<()> {
        match self.0.try_join_next() {
            Some(ended) => ended?.context("a page was not live any more"),
            None => Ok(()),
        }
    }
}
