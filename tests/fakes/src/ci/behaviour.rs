//! What the CI does with one run.
//!
//! It is chosen when a run is first triggered and does not change.

/// What the CI does with a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Runs and succeeds.
    #[default]
    Succeed,
    /// Runs and fails.
    Fail,
    /// Runs and ends in an error.
    Error,
    /// Is cancelled at the CI.
    Cancel,
    /// Is started, and never reports.
    NeverReport,
    /// Is refused with this status and text, every time.
    Refuse {
        /// HTTP status.
        status: u16,
        /// Body, as plain text.
        text: String,
    },
    /// The first attempts are answered 503, then the run succeeds.
    Unavailable {
        /// How many attempts are answered 503.
        times: u32,
        /// `Retry-After` in seconds; none is sent for zero.
        retry_after_s: u32,
    },
    /// The run is started, but the first attempt is never answered.
    Timeout,
    /// The final report arrives before the trigger is answered.
    ReportBeforeAnswer,
    /// Succeeds, and reports it twice.
    ReportTwice,
    /// Succeeds, and later reports that it failed.
    ContradictLate,
    /// Succeeds, but the answer to the trigger has neither id nor url.
    AnswerWithoutId,
    /// Succeeds, but the answer to the trigger is not JSON.
    GarbageAnswer,
}

impl Behaviour {
    /// The final states that it reports, in order.
    pub(crate) fn final_states(&self) -> &'static [&'static str] {
        match self {
            Self::Fail => &["failed"],
            Self::Error => &["errored"],
            Self::Cancel => &["cancelled"],
            Self::NeverReport | Self::Refuse { .. } => &[],
            Self::ReportTwice => &["succeeded", "succeeded"],
            Self::ContradictLate => &["succeeded", "failed"],
            _ => &["succeeded"],
        }
    }

    /// The behaviour of that name, for the control API, with typical parameters.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "succeed" => Self::Succeed,
            "fail" => Self::Fail,
            "error" => Self::Error,
            "cancel" => Self::Cancel,
            "never_report" => Self::NeverReport,
            "refuse" => Self::Refuse { status: 422, text: "no such pipeline".to_owned() },
            "unavailable" => Self::Unavailable { times: 2, retry_after_s: 1 },
            "timeout" => Self::Timeout,
            "report_before_answer" => Self::ReportBeforeAnswer,
            "report_twice" => Self::ReportTwice,
            "contradict_late" => Self::ContradictLate,
            "answer_without_id" => Self::AnswerWithoutId,
            "garbage_answer" => Self::GarbageAnswer,
            _ => return None,
        })
    }
}
