//! Locators: `dimension:value` and `dimension:(inner locator)`, with commas between them.

use super::fields::split;
use super::refusal::error;
use crate::http::Response;

/// The dimensions of builds that this stand-in knows. Others exist, but not here.
const KNOWN: [&str; 14] = [
    "id",
    "buildType",
    "property",
    "state",
    "branch",
    "canceled",
    "failedToStart",
    "status",
    "personal",
    "running",
    "defaultFilter",
    "count",
    "start",
    "lookupLimit",
];

/// A locator of builds.
pub(super) struct Locator(Vec<(String, String)>);

impl Locator {
    /// Refuses what is no locator, and dimensions that builds do not have.
    pub(super) fn of_builds(text: &str) -> Result<Self, Response> {
        let locator = Self::parse(text).ok_or_else(|| {
            error(400, "Bad locator syntax", &format!("Could not parse locator '{text}'."))
        })?;
        match locator.0.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
            Some((name, _)) => {
                let what = format!("Locator dimension [{name}] is unknown.");
                Err(error(400, "Invalid locator", &what))
            }
            None => Ok(locator),
        }
    }

    /// A locator of anything.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts = split(text).into_iter().map(|part| {
            let (name, value) = part.split_once(':')?;
            let inner = value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
            Some((name.to_owned(), inner.unwrap_or(value).to_owned()))
        });
        parts.collect::<Option<_>>().map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a property of a build passes a dimension that is `true`, `false` or `any`, and
    /// `otherwise` where it is left out.
    pub(super) fn permits(&self, name: &str, is: bool, otherwise: &str) -> bool {
        match self.get(name).unwrap_or(otherwise) {
            "any" => true,
            wanted => (wanted == "true") == is,
        }
    }
}
