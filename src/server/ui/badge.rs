//! States as pages show them: a shape, a word and a colour, so that each tells them apart alone.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::domain::audit;
use crate::domain::check_outcome::CheckOutcome;
use crate::domain::decision;
use crate::domain::policy;
use crate::domain::run;
use crate::domain::slot::StatusOutcome;
use crate::domain::status::Shown;
use crate::domain::steps::What;
use crate::domain::subscription;

/// See the module.
#[derive(Clone, Copy, Debug, Template)]
#[template(
    ext = "html",
    source = "<span class=\"badge {{ tone }}\"><svg aria-hidden=\"true\">\
              <use href=\"#i-{{ shape }}\"/></svg>{{ word }}</span>"
)]
pub(super) struct Badge {
    /// The name of a symbol in `sprite.svg`.
    shape: &'static str,
    /// The class of the colour.
    tone: &'static str,
    pub(super) word: &'static str,
}

impl HtmlSafe for Badge {}

impl Badge {
    /// Something that works.
    pub(super) const fn good(word: &'static str) -> Self {
        Self { shape: "tick", tone: "good", word }
    }

    /// Something that does not work.
    pub(super) const fn bad(word: &'static str) -> Self {
        Self { shape: "cross", tone: "bad", word }
    }

    /// Something that will not work for long.
    pub(super) const fn warn(word: &'static str) -> Self {
        Self { shape: "triangle", tone: "warn", word }
    }

    /// Something that goes on.
    pub(super) const fn active(word: &'static str) -> Self {
        Self { shape: "arrow", tone: "info", word }
    }

    /// Something that there is not.
    pub(super) const fn none(word: &'static str) -> Self {
        Self { shape: "dash", tone: "neutral", word }
    }

    /// Something that is still to come.
    pub(super) const fn waits(word: &'static str) -> Self {
        Self { shape: "ring", tone: "info", word }
    }

    const fn new(shape: &'static str, tone: &'static str, word: &'static str) -> Self {
        Self { shape, tone, word }
    }
}

impl From<run::State> for Badge {
    fn from(state: run::State) -> Self {
        use run::State;
        match state {
            State::Planned => Self::new("ring", "info", "Planned"),
            State::Dispatched => Self::new("ring-dot", "info", "Dispatched"),
            State::Running => Self::new("half", "info", "Running"),
            State::Succeeded => Self::good("Succeeded"),
            State::Failed => Self::bad("Failed"),
            State::Errored => Self::warn("Errored"),
            State::Cancelled => Self::new("slash", "neutral", "Cancelled"),
            State::TimedOut => Self::new("clock", "warn", "Timed out"),
            State::Superseded => Self::new("superseded", "neutral", "Superseded"),
        }
    }
}

impl From<decision::Outcome> for Badge {
    fn from(outcome: decision::Outcome) -> Self {
        use decision::Outcome;
        match outcome {
            Outcome::Pending => Self::new("ring", "info", "Pending"),
            Outcome::Started => Self::new("arrow", "info", "Started"),
            Outcome::Ignored => Self::none("Ignored"),
            Outcome::Stale => Self::new("clock-back", "neutral", "Stale"),
            Outcome::Duplicate => Self::new("two", "neutral", "Duplicate"),
            Outcome::Quarantined => Self::new("box", "warn", "Quarantined"),
        }
    }
}

impl From<&CheckOutcome> for Badge {
    fn from(outcome: &CheckOutcome) -> Self {
        match (outcome.started, outcome.run) {
            (true, _) => Self::new("arrow", "info", "Started"),
            (false, Some(_)) => Self::new("slash", "neutral", "Cancelled"),
            (false, None) => Self::none("Not started"),
        }
    }
}

impl From<What> for Badge {
    fn from(what: What) -> Self {
        match what {
            What::Planned => Self::new("ring", "info", "Planned"),
            What::Attempt { .. } => Self::new("arrow", "info", "Attempt"),
            What::Report { .. } => Self::new("half", "info", "Report"),
            What::RefusedReport { .. } => Self::none("Report, not applied"),
            What::Lease => Self::new("ring-dot", "info", "Runner"),
            What::Ended => Self::new("box", "neutral", "Ended"),
        }
    }
}

impl From<Shown> for Badge {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Pending => Self::new("half", "info", "Pending"),
            Shown::Succeeded => Self::good("Succeeded"),
            Shown::Failed => Self::bad("Failed"),
            Shown::Error => Self::warn("Error"),
            Shown::NotApplicable => Self::none("Not applicable"),
        }
    }
}

impl From<StatusOutcome> for Badge {
    fn from(outcome: StatusOutcome) -> Self {
        match outcome {
            StatusOutcome::Queued => Self::new("ring", "info", "Queued"),
            StatusOutcome::Posted => Self::good("Posted"),
            StatusOutcome::Unchanged => Self::new("two", "neutral", "Unchanged"),
            StatusOutcome::Superseded => Self::new("superseded", "neutral", "Superseded"),
            StatusOutcome::Refused => Self::new("barred", "bad", "Refused"),
        }
    }
}

impl From<subscription::State> for Badge {
    fn from(state: subscription::State) -> Self {
        use subscription::State;
        match state {
            State::Enabled => Self::good("Enabled"),
            State::OnProbation => Self::new("shield", "warn", "On probation"),
            State::DisabledByUser => Self::new("pause", "neutral", "Disabled by a person"),
            State::DisabledBySystem => Self::new("barred", "bad", "Disabled by the system"),
            State::DisabledByInactiveIdentity => {
                Self::new("barred", "bad", "Disabled: its account is inactive")
            }
            State::Unknown => Self::new("question", "neutral", "Unknown"),
        }
    }
}

impl From<subscription::Kind> for Badge {
    fn from(kind: subscription::Kind) -> Self {
        use subscription::Kind;
        match kind {
            Kind::Addition => Self::new("plus", "good", "Add"),
            Kind::Change => Self::new("wave", "warn", "Change"),
            Kind::Healing => Self::new("shield", "warn", "Heal"),
            Kind::Removal => Self::new("cross", "bad", "Remove"),
            Kind::Wait => Self::new("ring", "info", "Wait"),
            Kind::Report => Self::new("question", "neutral", "Leave"),
        }
    }
}

impl From<policy::Kind> for Badge {
    fn from(kind: policy::Kind) -> Self {
        use policy::Kind;
        match kind {
            Kind::Addition => Self::new("plus", "good", "Add"),
            Kind::Change => Self::new("wave", "warn", "Change"),
            Kind::Removal => Self::new("cross", "bad", "Remove"),
            Kind::Report => Self::new("question", "neutral", "Leave"),
        }
    }
}

impl From<audit::Outcome> for Badge {
    fn from(outcome: audit::Outcome) -> Self {
        match outcome {
            audit::Outcome::Done => Self::good("Done"),
            audit::Outcome::Refused => Self::new("barred", "bad", "Refused"),
            audit::Outcome::Failed => Self::warn("Failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The symbols that pages draw.
    const SPRITE: &str = include_str!("../../../templates/sprite.svg");

    #[test]
    fn every_state_of_a_run_has_a_word_and_a_shape_of_its_own() {
        let badges: Vec<Badge> = run::State::ALL.into_iter().map(Badge::from).collect();
        for (number, badge) in badges.iter().enumerate() {
            assert!(SPRITE.contains(&format!("id=\"i-{}\"", badge.shape)), "{badge:?}");
            for other in &badges[..number] {
                assert_ne!((badge.word, badge.shape), (other.word, other.shape));
                assert_ne!(badge.shape, other.shape, "they look alike in grey");
            }
        }
    }
}
