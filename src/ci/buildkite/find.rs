//! Finds the build with the meta-data of a run: Buildkite compares it exactly.

use serde_json::Value;

use super::{Buildkite, RUN_KEY, accepted};
use crate::ci::error::Error;
use crate::domain::run::{Run, Started};

impl Buildkite {
    pub(super) async fn find_build(&self, run: &Run) -> Result<Option<Started>, Error> {
        let id = run.id.to_string();
        let key = format!("meta_data[{RUN_KEY}]");
        let answer = self.client.succeed(self.list(&[(&key, &id)])).await?;
        let Value::Array(builds) = answer.json() else {
            return Err(Error::ambiguous("its answer is no list of builds"));
        };
        let carries = |build: &&Value| {
            build.pointer(&format!("/meta_data/{RUN_KEY}")).and_then(Value::as_str) == Some(&id)
        };
        // The oldest one, should it have been started twice.
        Ok(builds.iter().rev().find(carries).and_then(accepted))
    }
}
