//! Rules about personal access tokens: what they are called, which are left over, how many are
//! minted ahead, and when one is too old to be lent.
//!
//! The name is all that Azure DevOps shows of a token later, so it carries whose it is. It must
//! never hold a token.

use std::time::Duration;

use super::id::RunId;

/// What every name begins with.
pub const PREFIX: &str = "azdo-gateway/";

/// Whose a token is and what it is for, as its display name says:
/// `azdo-gateway/{gateway}/{process}-{serial}/{what}[/{run}]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The installation: one store, however many processes.
    pub gateway: String,
    /// One start of one process.
    pub process: String,
    /// Counted by that process.
    pub serial: u64,
    pub what: String,
    pub run: Option<RunId>,
}

impl Name {
    /// The display name.
    pub fn display(&self) -> String {
        let Self { gateway, process, serial, what, run } = self;
        let run = run.map(|run| format!("/{run}")).unwrap_or_default();
        format!("{PREFIX}{gateway}/{process}-{serial}/{what}{run}")
    }

    /// Reads a display name; none when it is not one of ours, or not one that this version makes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('/');
        let (gateway, counted, what) = (parts.next()?, parts.next()?, parts.next()?);
        let (process, serial) = counted.split_once('-')?;
        let run = parts.next().map(str::parse).transpose().ok()?;
        Some(Self {
            gateway: gateway.to_owned(),
            process: process.to_owned(),
            serial: serial.parse().ok()?,
            what: what.to_owned(),
            run,
        })
    }
}

/// Whether a living token of the service user is one that nobody will revoke.
///
/// One store has one process, so a token of another process of ours outlived it. What has our
/// prefix and is not named as this version names them comes from another version.
pub fn is_left_over(
    display_name: &str,
    gateway: &str,
    process: &str,
    is_held: impl Fn(u64) -> bool,
) -> bool {
    if !display_name.starts_with(PREFIX) {
        return false;
    }
    match Name::parse(display_name) {
        None => true,
        Some(name) if name.gateway != gateway => false,
        Some(name) if name.process != process => true,
        Some(name) => !is_held(name.serial),
    }
}

/// The demand of this long is what the pool is sized by.
pub const DEMAND_WINDOW: Duration = Duration::from_secs(15);
/// A pool must have room for what is asked for while it mints.
const MINT_TIME_S: usize = 2;
/// The most tokens of one scope that lie ready.
pub const READY_MAX: usize = 16;

/// How many tokens are to lie ready, when this many were asked for within [`DEMAND_WINDOW`]. One
/// alone tells nothing about the next: a token for it would mostly be minted in vain.
pub fn ready_wanted(asked: usize) -> usize {
    if asked < 2 {
        return 0;
    }
    let window_s = usize::try_from(DEMAND_WINDOW.as_secs()).unwrap_or(usize::MAX);
    (asked * MINT_TIME_S).div_ceil(window_s).min(READY_MAX)
}

/// How much of its life a token must still have to be lent: a quarter, or half a minute.
pub fn life_needed(lifetime: Duration) -> Duration {
    (lifetime / 4).min(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(gateway: &str, process: &str, serial: u64) -> String {
        let (gateway, process) = (gateway.to_owned(), process.to_owned());
        Name { gateway, process, serial, what: "status".into(), run: None }.display()
    }

    #[test]
    fn a_name_is_read_back() {
        let run = Some(RunId(uuid::Uuid::from_u128(7)));
        let (gateway, process) = ("3fa9c2d1".to_owned(), "7be01c44".to_owned());
        let name = Name { gateway, process, serial: 15, what: "status".into(), run };
        assert_eq!(Name::parse(&name.display()), Some(name));
        assert_eq!(Name::parse("azdo-gateway/a/b/c"), None);
        assert_eq!(Name::parse("somebody else's"), None);
    }

    #[test]
    fn ours_that_nobody_holds_is_left_over() {
        let is = |text: &str| is_left_over(text, "g", "p", |serial| serial == 1);
        assert!(!is("a token that a person made"), "it is not ours");
        assert!(!is(&name("g", "p", 1)), "it is held");
        assert!(is(&name("g", "p", 2)), "the answer to its minting was lost");
        assert!(is(&name("g", "before", 1)), "its process is dead");
        assert!(!is(&name("another", "p", 2)), "another gateway of the same user");
        assert!(is("azdo-gateway/whatever"), "another version left it");
    }

    #[test]
    fn nothing_lies_ready_where_nothing_is_asked_for() {
        assert_eq!(ready_wanted(0), 0);
        assert_eq!(ready_wanted(1), 0);
        assert_eq!(ready_wanted(2), 1);
        assert_eq!(ready_wanted(75), 10);
        assert_eq!(ready_wanted(10_000), READY_MAX);
    }
}
