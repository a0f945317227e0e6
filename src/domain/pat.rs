//! Rules about personal access tokens: their names, which of them are left over, how many are
//! minted ahead, and how much of its life one must have left to be used.
//!
//! Azure DevOps later shows only the name of a token, so the name contains who minted it.

use std::time::Duration;

use super::id::RunId;

/// The prefix of every name.
pub const PREFIX: &str = "azdo-gateway/";

/// Who minted a token and what for. The display name is
/// `azdo-gateway/{installation_id}/{instance_id}-{serial}/{what}[/{run}]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The same for all processes on one store.
    pub installation_id: String,
    /// Of the process that minted it: new with every start.
    pub instance_id: String,
    /// Counts the tokens of that process.
    pub serial: u64,
    pub what: String,
    pub run: Option<RunId>,
}

impl Name {
    /// The display name.
    pub fn display(&self) -> String {
        let Self { installation_id, instance_id, serial, what, run } = self;
        let run = run.map(|run| format!("/{run}")).unwrap_or_default();
        format!("{PREFIX}{installation_id}/{instance_id}-{serial}/{what}{run}")
    }

    /// Parses a display name; none if this version of the gateway does not make such names.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('/');
        let (installation_id, counted, what) = (parts.next()?, parts.next()?, parts.next()?);
        let (instance_id, serial) = counted.split_once('-')?;
        let run = parts.next().map(str::parse).transpose().ok()?;
        Some(Self {
            installation_id: installation_id.to_owned(),
            instance_id: instance_id.to_owned(),
            serial: serial.parse().ok()?,
            what: what.to_owned(),
            run,
        })
    }
}

/// Whether an active token of the service user has to be revoked by the sweep, because the process
/// that minted it has ended or does not know it. `is_live` tells of the serials of this process.
///
/// One store has one process, so a token of another process of the installation is left over. A
/// name with the gateway's prefix that cannot be parsed comes from another version, and is left
/// over, too.
pub fn is_left_over(
    display_name: &str,
    installation_id: &str,
    instance_id: &str,
    is_live: impl Fn(u64) -> bool,
) -> bool {
    if !display_name.starts_with(PREFIX) {
        return false;
    }
    match Name::parse(display_name) {
        None => true,
        Some(name) if name.installation_id != installation_id => false,
        Some(name) if name.instance_id != instance_id => true,
        Some(name) => !is_live(name.serial),
    }
}

/// The token pool is sized by the requests of this last period.
pub const DEMAND_WINDOW: Duration = Duration::from_secs(15);
/// The pool must last for the time that minting takes.
const MINT_TIME_S: usize = 2;
/// The most tokens of one scope in the pool.
pub const READY_MAX: usize = 16;

/// The desired size of the pool after this many requests within [`DEMAND_WINDOW`]. Tokens are
/// minted ahead only from the second request on: after a single one, most would never be used.
pub fn ready_wanted(requests: usize) -> usize {
    if requests < 2 {
        return 0;
    }
    let window_s = usize::try_from(DEMAND_WINDOW.as_secs()).unwrap_or(usize::MAX);
    (requests * MINT_TIME_S).div_ceil(window_s).min(READY_MAX)
}

/// How much of its life a token must have left to be used: a quarter, but at most 30 s.
pub fn life_needed(lifetime: Duration) -> Duration {
    (lifetime / 4).min(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(installation_id: &str, instance_id: &str, serial: u64) -> String {
        let (installation_id, instance_id) = (installation_id.to_owned(), instance_id.to_owned());
        Name { installation_id, instance_id, serial, what: "status".into(), run: None }.display()
    }

    #[test]
    fn a_display_name_can_be_parsed() {
        let run = Some(RunId(uuid::Uuid::from_u128(7)));
        let (installation_id, instance_id) = ("3fa9c2d1".to_owned(), "7be01c44".to_owned());
        let name = Name { installation_id, instance_id, serial: 15, what: "status".into(), run };
        assert_eq!(Name::parse(&name.display()), Some(name));
        assert_eq!(Name::parse("azdo-gateway/a/b/c"), None);
        assert_eq!(Name::parse("somebody else's"), None);
    }

    #[test]
    fn tokens_of_ended_processes_and_unknown_serials_are_left_over() {
        let is = |text: &str| is_left_over(text, "g", "p", |serial| serial == 1);
        assert!(!is("a token that a person made"), "it has another prefix");
        assert!(!is(&name("g", "p", 1)), "its serial is live");
        assert!(is(&name("g", "p", 2)), "the answer to the mint request was lost");
        assert!(is(&name("g", "before", 1)), "its process has ended");
        assert!(!is(&name("another", "p", 2)), "another installation uses the same user");
        assert!(is("azdo-gateway/whatever"), "another version minted it");
    }

    #[test]
    fn the_pool_grows_with_the_requests_up_to_its_limit() {
        assert_eq!(ready_wanted(0), 0);
        assert_eq!(ready_wanted(1), 0);
        assert_eq!(ready_wanted(2), 1);
        assert_eq!(ready_wanted(75), 10);
        assert_eq!(ready_wanted(10_000), READY_MAX);
    }
}
