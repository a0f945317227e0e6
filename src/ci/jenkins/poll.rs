//! Asks how builds are: one list for several of them, else the item and the build of one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::answers::{self, BUILD, ITEM, Item, item_id, list};
use super::find::PAGE;
use super::{Jenkins, item_of};
use crate::ci::account::as_one;
use crate::ci::error::{Error, Refusal};
use crate::ci::system::Observed;
use crate::ci::urls;
use crate::domain::run::{Reported, Run};

/// Older builds are not looked for by the id of their item.
const SEARCHED_MAX: usize = 1_000;

impl Jenkins {
    pub(super) async fn poll_runs(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        if let [] | [_] = runs {
            return match runs.first() {
                Some(run) => vec![as_one(self.poll_run(run)).await],
                None => Vec::new(),
            };
        }
        let known = match self.listed(runs).await {
            Ok(known) => known,
            Err(error) => return runs.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut answers = Vec::new();
        for run in runs {
            answers.push(match run.ci_id.as_ref().and_then(|item| known.get(item)) {
                Some(observed) => Ok(observed.clone()),
                None => as_one(self.poll_run(run)).await,
            });
        }
        answers
    }

    async fn poll_run(&self, run: &Run) -> Result<Observed, Error> {
        match self.item(item_of(run)?).await? {
            Item::Waits(why) => Ok(answers::waiting(why)),
            Item::Left => Ok(answers::waiting("about to begin")),
            Item::Cancelled => Ok(Observed {
                description: Some("cancelled in the queue".to_owned()),
                ..Observed::state(Reported::Cancelled)
            }),
            Item::Build(number) => {
                let build = self.build(number).await?;
                Ok(answers::build(&build, &self.client.masks))
            }
        }
    }

    /// A build by its number.
    pub(super) async fn build(&self, number: u64) -> Result<Value, Error> {
        let build = self.data(self.job_data(&[&number.to_string()], BUILD)).await?;
        match build.get("number").and_then(Value::as_u64) == Some(number) {
            true => Ok(build),
            false => Err(Error::ambiguous("its answer is not about the build")),
        }
    }

    /// Where an item is: as remembered, in the queue, or, when the queue has forgotten it, among
    /// the builds.
    pub(super) async fn item(&self, id: &str) -> Result<Item, Error> {
        if let Some(number) = self.number(id) {
            return Ok(Item::Build(number));
        }
        let found = match self.data(self.root_data(&["queue", "item", id], ITEM)).await {
            Ok(item) => answers::item(&item),
            Err(error) if error.is_gone() => Item::Build(self.number_of(id).await?),
            Err(error) => return Err(error),
        };
        if let Item::Build(number) = found {
            self.remember(id, number);
        }
        Ok(found)
    }

    async fn number_of(&self, item: &str) -> Result<u64, Error> {
        for (key, from, to) in [("builds", 0, PAGE), ("allBuilds", PAGE, SEARCHED_MAX)] {
            let tree = format!("{key}[number,queueId]{{{from},{to}}}");
            let job = self.data(self.job_data(&[], &tree)).await.map_err(Error::of_all)?;
            let of_item = list(&job, key).iter().find(|it| item_id(it).as_deref() == Some(item));
            if let Some(number) = of_item.and_then(|build| build.get("number")?.as_u64()) {
                return Ok(number);
            }
            if list(&job, key).len() < PAGE {
                break;
            }
        }
        Err(Error::refused("neither the queue nor the job has it any more", Refusal::Gone))
    }

    /// Those of several runs that are among the newest builds or, where two or more are not, in
    /// the queue, by the ids of their items.
    async fn listed(&self, runs: &[&Run]) -> Result<BTreeMap<String, Observed>, Error> {
        let tree = format!("builds[{BUILD}]{{0,{PAGE}}}");
        let job = self.data(self.job_data(&[], &tree)).await.map_err(Error::of_all)?;
        let of_build = |build| Some((item_id(build)?, answers::build(build, &self.client.masks)));
        let mut known: BTreeMap<_, _> = list(&job, "builds").iter().filter_map(of_build).collect();
        let items = runs.iter().filter_map(|run| run.ci_id.as_ref());
        if items.filter(|item| !known.contains_key(*item)).count() < 2 {
            return Ok(known);
        }
        let queue = self.root_data(&["queue"], "items[id,stuck]");
        let queue = self.data(queue).await.map_err(Error::of_all)?;
        known.extend(list(&queue, "items").iter().filter_map(|item| {
            let Item::Waits(why) = answers::item(item) else { return None };
            Some((urls::id(item.get("id"))?, answers::waiting(why)))
        }));
        Ok(known)
    }
}
