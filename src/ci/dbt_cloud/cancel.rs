//! Cancels a run: `POST runs/{id}/cancel/`. What is answered about one that has ended is not known,
//! so it is asked for after a refusal.

use super::DbtCloud;
use super::poll::{ci_id, is_over};
use crate::ci::client::Call;
use crate::ci::error::Error;
use crate::ci::system::Cancelled;
use crate::domain::run::Run;

impl DbtCloud {
    pub(super) async fn cancel_run(&self, run: &Run) -> Result<Cancelled, Error> {
        let id = ci_id(run)?;
        let refused = match self.data(Call::post(self.url(&["runs", id, "cancel"]))).await {
            Err(error @ Error::Refused { .. }) => error,
            answer => return answer.map(|_| Cancelled::Done),
        };
        match self.run(id).await {
            Ok(run) if is_over(&run) => Ok(Cancelled::Done),
            Err(error) if error.is_gone() => Ok(Cancelled::Done),
            _ => Err(refused.of_all()),
        }
    }
}
