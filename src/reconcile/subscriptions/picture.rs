//! What a plan is made from: the checks and the repositories on one side, the subscriptions that
//! there are and our own books on the other.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::ado::{Scope, hook_of, hook_url, settings};
use crate::domain::check::Check;
use crate::domain::event::Repository;
use crate::domain::subscription::{
    Found, HookName, Known, Ours, Place, Step, Topic, Wanted, Watched, farewell, plan, wanted,
};
use crate::domain::time::Timestamp;
use crate::reconcile::turn::{Stop, Turn, Upkept};
use crate::secret::Keyring;
use crate::storage::{Arrivals, HookBooks, HookRow};

/// What we want in general.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) checks: Vec<Check>,
    pub(super) keys: Keyring,
    pub(super) public_url: Url,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) wanted: Vec<Wanted>,
    pub(super) ours: Vec<Ours>,
    /// How many web hooks are somebody else's.
    pub(super) foreign: usize,
    pub(super) books: HookBooks,
    /// Names of the projects that our identity sees, by id.
    pub(super) projects: BTreeMap<String, String>,
    /// The repositories that checks watch.
    pub(super) watched: Vec<Repository>,
}

/// Asks for everything. One question that is not answered ends it: what is not seen must not be
/// made a second time.
pub(super) async fn picture(turn: &Turn<'_>, at: &Upkept, wish: &Wish) -> Result<Picture, Stop> {
    let organization = &at.organization;
    let ask = |credential| at.client.repositories(credential);
    let repositories = turn.call(Scope::Code, "hooks", ask).await?;
    let mut found: Vec<Found> = Vec::new();
    for topic in Topic::ALL {
        let ask = |credential| at.client.subscriptions(credential, topic);
        found.extend(turn.call(Scope::Code, "hooks", ask).await?);
    }
    let mut seen = Vec::new();
    let mut projects = BTreeMap::new();
    for repository in repositories {
        projects.insert(repository.project_id.clone(), repository.project.clone());
        let former_names = at.store.former_names(organization, &repository).await?;
        seen.push(Watched { repository, former_names });
    }
    let books = at.store.hooks(organization).await?;
    let wanted = wanted(&wish.checks, organization, &seen)
        .into_iter()
        .map(|(place, (project, checks))| {
            let hook = wish.hook(organization, &place, generation(&books, &place));
            let url = hook_url(&wish.public_url, organization, &hook);
            let settings = settings(&place, &url);
            Wanted { place, project, hook, settings, checks }
        })
        .collect();
    let is_watched = |one: &&Watched| {
        let watches =
            |check: &Check| check.watches(organization, &one.repository, &one.former_names);
        wish.checks.iter().any(watches)
    };
    let watched = seen.iter().filter(is_watched).map(|one| one.repository.clone()).collect();
    let all = found.len();
    let ours: Vec<Ours> = found
        .into_iter()
        .filter_map(|found| {
            let hook = hook_of(&wish.public_url, organization, &found.url)?;
            Some(Ours { found, hook })
        })
        .collect();
    let foreign = all - ours.len();
    Ok(Picture { wanted, ours, foreign, books, projects, watched })
}

impl Wish {
    pub(super) fn hook(&self, organization: &str, place: &Place, generation: u32) -> String {
        let untagged = HookName::untagged(place, generation);
        let tag = self.keys.hook_tag(organization, &untagged);
        HookName { place: place.clone(), generation, tag }.to_string()
    }
}

/// The number of the secret that a place is to have.
fn generation(books: &HookBooks, place: &Place) -> u32 {
    row(books, place).map_or(1, |row| row.generation)
}

pub(super) fn row<'b>(books: &'b HookBooks, place: &Place) -> Option<&'b HookRow> {
    books.places.iter().find(|row| row.place == *place)
}

impl Picture {
    /// What is to be done.
    pub(super) fn plan(
        &self,
        organization: &str,
        arrivals: &Arrivals,
        now: Timestamp,
    ) -> Vec<Step> {
        if self.books.is_held {
            return farewell(&self.ours);
        }
        let known = |place: &Place| self.known(organization, place, arrivals);
        let projects: BTreeSet<String> = self.projects.keys().cloned().collect();
        plan(&self.wanted, &self.ours, &known, &projects, now)
    }

    fn known(&self, organization: &str, place: &Place, arrivals: &Arrivals) -> Known {
        let wanted = self.wanted.iter().find(|wanted| wanted.place == *place);
        let is_proved = wanted.is_some_and(|wanted| arrivals.is_proved(organization, &wanted.hook));
        match row(&self.books, place) {
            Some(row) => Known {
                generation: row.generation,
                live_from: row.live_from,
                is_proved,
                renewed_at: row.renewed_at,
                healings: row.healings,
            },
            None => Known { generation: 1, live_from: 1, is_proved, ..Known::default() },
        }
    }

    /// The wanted one of a place.
    pub(super) fn wanted_at(&self, place: Option<&Place>) -> Option<&Wanted> {
        self.wanted.iter().find(|wanted| Some(&wanted.place) == place)
    }

    /// The name of a project, where our identity sees it.
    pub(super) fn project(&self, place: Option<&Place>) -> Option<&String> {
        self.projects.get(&place?.project_id)
    }
}
