//! Rules about personal access tokens: their names, which of them are left over, how many are
//! minted ahead, and how much of its life one must have left to be used.
//!
//! Azure DevOps later shows only the name of a token, so the name contains who minted it.

use std::time::Duration;

use super::id::RunId;
use super::time::Timestamp;

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
/// that minted it has ended or does not know it. `others` are the other processes that live,
/// `is_live` tells of the serials of this process.
///
/// A name with the gateway's prefix that cannot be parsed comes from another version. It is left
/// over unless another process lives: that one may be of the other version.
pub fn is_left_over(
    display_name: &str,
    installation_id: &str,
    instance_id: &str,
    others: &[String],
    is_live: impl Fn(u64) -> bool,
) -> bool {
    if !display_name.starts_with(PREFIX) {
        return false;
    }
    match Name::parse(display_name) {
        None => others.is_empty(),
        Some(name) if name.installation_id != installation_id => false,
        Some(name) if name.instance_id != instance_id => !others.contains(&name.instance_id),
        Some(name) => !is_live(name.serial),
    }
}

/// The demand for tokens is steady when each of so many last whole seconds had enough requests.
const STEADY_S: i64 = 5;
/// The fewest requests in each of these seconds. With fewer, and in bursts, tokens that were minted
/// ahead would often stay unused.
const STEADY_REQUESTS: usize = 3;
/// The pool must last for the time that minting takes.
const MINT_TIME_S: usize = 2;
/// The most tokens of one scope in the pool.
const READY_MAX: usize = 16;

/// The requests for tokens of one scope in the last seconds, from which the token pool is sized.
#[derive(Clone, Debug, Default)]
pub struct Demand {
    /// Seconds since 1970 that had requests, and how many.
    seconds: Vec<(i64, usize)>,
}

impl Demand {
    /// Counts a request.
    pub fn add(&mut self, now: Timestamp) {
        let second = second_of(now);
        self.seconds.retain(|(at, _)| (second - STEADY_S..=second).contains(at));
        match self.seconds.iter_mut().find(|(at, _)| *at == second) {
            Some((_, count)) => *count += 1,
            None => self.seconds.push((second, 1)),
        }
    }

    /// Whether the last request is so long ago that tokens that were minted ahead are not needed.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let second = second_of(now);
        !self.seconds.iter().any(|(at, _)| (second - STEADY_S..=second).contains(at))
    }

    /// The desired size of the pool. Tokens are minted ahead only while the demand is steady.
    pub fn ready_wanted(&self, now: Timestamp) -> usize {
        let second = second_of(now);
        let whole = self.seconds.iter().filter(|(at, _)| (second - STEADY_S..second).contains(at));
        let enough = whole.map(|(_, count)| *count).filter(|count| *count >= STEADY_REQUESTS);
        let (mut seconds, mut requests) = (0, 0);
        for count in enough {
            seconds += 1;
            requests += count;
        }
        if i64::try_from(seconds) != Ok(STEADY_S) {
            return 0;
        }
        (requests * MINT_TIME_S).div_ceil(seconds).min(READY_MAX)
    }
}

fn second_of(at: Timestamp) -> i64 {
    at.ms().div_euclid(1_000)
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
        let others = ["q".to_owned()];
        let among = |text: &str, others: &[String]| {
            is_left_over(text, "g", "p", others, |serial| serial == 1)
        };
        let is = |text: &str| among(text, &[]);
        assert!(!is("a token that a person made"), "it has another prefix");
        assert!(!is(&name("g", "p", 1)), "its serial is live");
        assert!(is(&name("g", "p", 2)), "the answer to the mint request was lost");
        assert!(is(&name("g", "before", 1)), "its process has ended");
        assert!(!is(&name("another", "p", 2)), "another installation uses the same user");
        assert!(is("azdo-gateway/whatever"), "another version minted it");
        assert!(!among("azdo-gateway/whatever", &others), "a living process may have minted it");
        assert!(!among(&name("g", "q", 2), &others), "its process lives");
        assert!(among(&name("g", "before", 1), &others), "its process has ended");
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000 + ms)
    }

    /// The demand after requests at these times, in milliseconds.
    fn demand(times: impl IntoIterator<Item = i64>) -> Demand {
        let mut demand = Demand::default();
        times.into_iter().for_each(|ms| demand.add(at(ms)));
        demand
    }

    #[test]
    fn the_pool_grows_with_steady_demand_up_to_its_limit() {
        for (every_ms, wanted) in [(1, READY_MAX), (100, READY_MAX), (200, 10), (333, 7)] {
            let steady = demand((0..5_000).step_by(every_ms));
            assert_eq!(steady.ready_wanted(at(4_999)), 0, "{every_ms}: it is too young");
            assert_eq!(steady.ready_wanted(at(5_000)), wanted, "{every_ms}");
            assert_eq!(steady.ready_wanted(at(6_000)), 0, "{every_ms}: it has ended");
            assert!(!steady.is_over(at(9_000)) && steady.is_over(at(10_000)), "{every_ms}");
        }
        assert!(Demand::default().is_over(at(0)));
    }

    #[test]
    fn nothing_is_minted_ahead_for_sparse_requests_and_bursts() {
        let bursts = |every_ms: i64| (0..10).flat_map(move |n| vec![n * every_ms; 20]);
        for (what, mut demand) in [
            ("one request", demand([0])),
            ("two within a second", demand([0, 500])),
            ("two a second", demand((0..20_000).step_by(500))),
            ("one every four seconds", demand((0..40_000).step_by(4_000))),
            ("one burst", demand(vec![0; 1_000])),
            ("a burst every two seconds", demand(bursts(2_000))),
        ] {
            let ms = demand.seconds.last().map_or(0, |(second, _)| second * 1_000);
            let last = Timestamp::from_ms(ms);
            for wait_ms in (0..10_000).step_by(500) {
                let now = last.plus(Duration::from_millis(wait_ms));
                assert_eq!(demand.ready_wanted(now), 0, "{what}, {wait_ms} ms later");
            }
            demand.add(last);
            assert_eq!(demand.ready_wanted(last), 0, "{what}");
        }
    }
}
