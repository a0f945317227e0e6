//! Cancels an item in the queue, or stops a build: with `stop`, and where it goes on ten seconds
//! later with `term`, and then with `kill`.

use std::time::Duration;

use super::answers::{Item, goes_on};
use super::{Jenkins, errors, item_of};
use crate::ci::client::Call;
use crate::ci::error::Error;
use crate::ci::system::Cancelled;
use crate::ci::urls::below;
use crate::domain::run::Run;

/// How long a build has to end before it is stopped more urgently.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// How soon an item that has left the queue has its build.
const BUILD_WAIT: Duration = Duration::from_secs(2);

impl Jenkins {
    pub(super) async fn cancel_run(&self, run: &Run) -> Result<Cancelled, Error> {
        let id = item_of(run)?;
        if self.number(id).is_none() && self.is_taken_out(id).await? {
            return Ok(Cancelled::Done);
        }
        match self.item(id).await {
            Ok(Item::Build(number)) => self.stop(number, run.cancel_attempts.unwrap_or(0)).await,
            Ok(Item::Cancelled) => Ok(Cancelled::Done),
            Ok(Item::Waits(_) | Item::Left) => Ok(Cancelled::Again(BUILD_WAIT)),
            Err(error) if error.is_gone() => Ok(Cancelled::Done),
            Err(error) => Err(error),
        }
    }

    /// Takes an item out of the queue; false where it is not there.
    async fn is_taken_out(&self, id: &str) -> Result<bool, Error> {
        let mut url = below(&self.root, ["queue", "cancelItem"]);
        url.query_pairs_mut().append_pair("id", id);
        let answer = self.send(Call::post(url)).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(true),
            // Older servers redirect to the queue, whatever they did.
            302 => Ok(false),
            _ => match errors::failure(&self.client, &answer) {
                error if error.is_gone() => Ok(false),
                error => Err(error),
            },
        }
    }

    async fn stop(&self, number: u64, attempts: u32) -> Result<Cancelled, Error> {
        match self.build(number).await {
            Ok(build) if !goes_on(&build) => return Ok(Cancelled::Done),
            Err(error) if !error.is_gone() => return Err(error),
            Err(_) => return Ok(Cancelled::Done),
            Ok(_) => {}
        }
        let verb = match attempts {
            0 => "stop",
            1 => "term",
            _ => "kill",
        };
        match self.stop_with(number, verb).await {
            // Only builds of pipelines know the others.
            Err(error) if error.is_gone() && verb != "stop" => {
                self.stop_with(number, "stop").await?
            }
            answer => answer?,
        }
        Ok(Cancelled::Again(STOP_WAIT))
    }

    async fn stop_with(&self, number: u64, verb: &str) -> Result<(), Error> {
        let answer = self.send(Call::post(self.of_job(&[&number.to_string(), verb]))).await?;
        match answer.status.as_u16() {
            // It redirects to the build, also where there was nothing to stop.
            200..=299 | 302 => Ok(()),
            _ => Err(errors::failure(&self.client, &answer)),
        }
    }
}
