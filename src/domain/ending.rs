//! Warnings before a credential ends: client secrets that expire, and accounts without a recent
//! interactive sign-in.

use std::time::Duration;

use super::time::Timestamp;

const DAY_S: u64 = 86_400;
/// Early enough for a person with rights in Entra to create a new secret.
const CLIENT_SECRET_WARNING: Duration = Duration::from_secs(30 * DAY_S);
/// Azure DevOps refuses the tokens of an account 30 days after its last interactive sign-in
/// (docs/azure-devops.md §4.1).
const SIGN_IN_LASTS: Duration = Duration::from_secs(30 * DAY_S);
const SIGN_IN_WARNING: Duration = Duration::from_secs(25 * DAY_S);

/// When Azure DevOps begins to refuse the tokens of an account that last signed in then, as far as
/// the gateway knows.
pub fn sign_in_ends(signed_in_at: Timestamp) -> Timestamp {
    signed_in_at.plus(SIGN_IN_LASTS)
}

/// The warning about a client secret that ends within 30 days, or has ended.
pub fn client_secret(ends: Timestamp, now: Timestamp) -> Option<String> {
    if ends.minus(CLIENT_SECRET_WARNING) > now {
        return None;
    }
    let day = ends.to_string();
    let day = day.split('T').next().unwrap_or_default();
    let verb = if ends <= now { "ended" } else { "ends" };
    Some(format!(
        "the client secret {verb} on {day}: make a new one in Entra, put both into client_secret, \
         and take the old one out when it has ended"
    ))
}

/// The warning about an account whose last interactive sign-in is 25 days ago or more.
pub fn sign_in(
    user_name: &str,
    signed_in_at: Timestamp,
    organization: &str,
    now: Timestamp,
) -> Option<String> {
    let idle = now.since(signed_in_at);
    (idle >= SIGN_IN_WARNING).then(|| {
        format!(
            "as far as the gateway knows, {user_name} last signed in through a browser {} days \
             ago, and Azure DevOps refuses its personal access tokens after {}: run \
             `azdo-gateway link {organization}` and sign in again",
            idle.as_secs() / DAY_S,
            SIGN_IN_LASTS.as_secs() / DAY_S
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u64) -> Timestamp {
        Timestamp::ZERO.plus(Duration::from_secs(number * DAY_S))
    }

    #[test]
    fn a_client_secret_is_warned_about_thirty_days_before() {
        assert_eq!(client_secret(day(100), day(69)), None);
        let warning = client_secret(day(100), day(70)).expect("30 days are left");
        assert!(warning.contains("ends on 1970-04-11"), "{warning}");
        assert!(
            client_secret(day(100), day(101)).is_some_and(|warning| warning.contains("ended on"))
        );
    }

    #[test]
    fn an_account_that_nobody_signs_in_to_is_warned_about_after_twenty_five_days() {
        assert_eq!(sign_in("svc", day(10), "fabrikam", day(34)), None);
        let warning = sign_in("svc", day(10), "fabrikam", day(35)).expect("25 days have passed");
        assert!(warning.contains("25 days") && warning.contains("link fabrikam"), "{warning}");
    }
}
