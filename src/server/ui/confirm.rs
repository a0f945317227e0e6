//! The page before an action: what will happen, whether it can be undone, and a form that does it.
//!
//! A form that is sent twice does its action once. A form that plans a run or copies a delivery
//! carries the id of the run or of the request. Other forms carry the time at which they were
//! shown: where the audit log has the same action by the same person after it, nothing is done
//! again.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Form;
use askama::Template;

use super::cell::{Facts, Table};
use super::visit::{Visit, needs_operator};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::time::Timestamp;
use crate::server::Role;
use crate::server::html::{Frame, Message, Twins, answer, sentence};
use crate::server::problem::Problem;
use crate::storage::{AuditFilter, Between, Page};

/// The field with the time at which a form was shown.
const SHOWN_AT: &str = "shown_at";
/// Entries of the audit log that are read at once to find what was done since.
const ENTRIES_MAX: usize = 20;

/// The fields of a form that was sent.
pub(super) type Sent = Form<HashMap<String, String>>;

/// See the module.
#[derive(Debug, Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm {
    pub(super) frame: Frame,
    /// What it is about.
    pub(super) facts: Facts,
    /// Sentences.
    pub(super) consequences: Vec<String>,
    pub(super) table: Option<Table>,
    /// Why it cannot be done now.
    pub(super) refused: Option<String>,
    /// How it is undone, or that it cannot be.
    pub(super) undo: String,
    /// Name and value of what the form carries.
    pub(super) carried: Vec<(String, String)>,
    pub(super) choices: Vec<Choice>,
    /// The words of the button.
    pub(super) button: String,
    /// Whether it destroys something.
    pub(super) is_grave: bool,
    /// Where one goes who does not want it.
    pub(super) back: String,
}

/// A field that people fill in.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) kind: ChoiceKind,
}

/// See [`Choice`].
#[derive(Debug)]
pub(super) enum ChoiceKind {
    Tick,
    Text,
    /// One of these: the value, and the words.
    OneOf(Vec<(String, String)>),
}

impl Confirm {
    /// One without consequences yet.
    pub(super) fn new(visit: &Visit, title: impl Into<String>, area: &'static str) -> Self {
        Self {
            frame: visit.frame(title, area, Twins::default()),
            facts: Facts::new(Vec::new()),
            consequences: Vec::new(),
            table: None,
            refused: None,
            undo: String::new(),
            carried: Vec::new(),
            choices: Vec::new(),
            button: String::new(),
            is_grave: false,
            back: visit.href(area),
        }
    }

    /// The answer with it.
    pub(super) fn show(self) -> HttpResponse {
        let refused = self.refused.map(|why| sentence(&why));
        answer(StatusCode::OK, &Self { refused, ..self })
    }
}

impl Visit {
    /// Refuses who may not act.
    pub(super) fn may_act(&self) -> Result<(), Problem> {
        if self.session.role == Role::Operator {
            return Ok(());
        }
        Err(needs_operator(&self.session))
    }

    /// What a form carries that is answered alike when it is sent twice.
    pub(super) fn shown_now(&self) -> (String, String) {
        (SHOWN_AT.to_owned(), self.now.micros().to_string())
    }

    /// Whether this person has done this, with the same detail in the audit log, since the form was
    /// shown.
    pub(super) async fn was_done(
        &self,
        sent: &HashMap<String, String>,
        (action, detail): (Action, &str),
        organization: &str,
    ) -> Result<bool, Problem> {
        let shown_at: Option<i64> = sent.get(SHOWN_AT).and_then(|text| text.parse().ok());
        let shown_at = Timestamp::from_micros(shown_at.ok_or_else(incomplete)?);
        let filter = AuditFilter {
            organization: Some(organization.to_owned()),
            action: Some(action),
            outcome: Some(Outcome::Done),
            actor: Some(self.session.actor.name.clone()),
            between: Between { since: Some(shown_at), until: None },
            ..AuditFilter::default()
        };
        let is_it = |Entry { actor, detail: done, .. }: &Entry| {
            *actor == self.session.actor.name && done == detail
        };
        let mut page = Page { limit: ENTRIES_MAX, before: None };
        loop {
            let found = self.state.deps.store.audit(filter.clone(), page).await?;
            if found.items.iter().any(|row| is_it(&row.entry)) {
                return Ok(true);
            }
            if found.next.is_none() {
                return Ok(false);
            }
            page.before = found.next;
        }
    }

    /// To the page with what was done.
    pub(super) fn see(&self, path: &str) -> HttpResponse {
        HttpResponse::SeeOther()
            .insert_header((header::LOCATION, self.href(path)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    }

    /// The page after something was asked for that others do.
    pub(super) fn asked(
        &self,
        title: &'static str,
        what_follows: &str,
        (path, words): (&str, &'static str),
    ) -> HttpResponse {
        let frame = self.frame(title, "-", Twins::default());
        let time = self.moment(self.now).absolute();
        let paragraphs = vec![format!("asked at {time}: {what_follows}")];
        let link = Some((format!("/ui{path}"), words));
        Message { frame, went_well: Some(true), paragraphs, link }.answer(StatusCode::OK)
    }
}

/// 400 for a form without a field that all forms have.
pub(super) fn incomplete() -> Problem {
    Problem::bad_request("the form is not complete: open the page again and send it from there")
}
