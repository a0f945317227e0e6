//! `kind = "service_user"`: an account of Entra that is linked once; the gateway mints PATs for it.

use std::time::Duration;

use crate::config::section::Section;
use crate::config::value::{Range, Value};
use crate::credentials::{Options, PatUse, ServiceUser};

use super::app;

/// The default of `pat_lifetime`.
const PAT_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// In a shorter lifetime, a usual difference between two clocks would be a large part.
const PAT_LIFETIME_LEAST: Duration = Duration::from_secs(60);

pub(super) fn read(section: &mut Section<'_>) -> Option<Options> {
    let app = app::read(section);
    let client_secrets = app::client_secrets(section);
    let expires = section.value("client_secret_expires", "2027-01-31");
    let client_secret_expires = expires.and_then(|value| value.day());
    let expected_user = section.value("expected_user", "\"svc-ci@contoso.com\"");
    let expected_user = expected_user.and_then(|value| account(&value));
    let pat_use = pat_use_value(section).and_then(|value| pat_use(&value));
    let pat_use = pat_use.unwrap_or(PatUse::Single);
    let user = ServiceUser {
        client_secret_expires,
        expected_user,
        pat_use,
        pat_lifetime: lifetime(section),
        mint_ahead: mint_ahead(section, pat_use),
        app: app?,
        client_secrets: client_secrets?,
    };
    Some(Options::ServiceUser(user))
}

/// The name that a user signs in with, such as `name@domain`, or the object id of the account.
fn account(value: &Value<'_>) -> Option<String> {
    let text = value.text_of(3, 254)?;
    if !app::is_sign_in_name(text) && !app::is_guid(text) {
        let what = "expected_user must be the name that the user signs in with, such as \
                    name@domain, or the object id of the account";
        value.refuse(what, value.remedy());
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn pat_use_value<'r>(section: &mut Section<'r>) -> Option<Value<'r>> {
    section.value("pat_use", "\"single\"")
}

pub(super) fn pat_use(value: &Value<'_>) -> Option<PatUse> {
    value.word(&[("single", PatUse::Single), ("window", PatUse::Window)])
}

pub(super) fn pat_lifetime_value<'r>(section: &mut Section<'r>) -> Option<Value<'r>> {
    section.value("pat_lifetime", "5m")
}

pub(super) fn pat_lifetime(value: &Value<'_>) -> Option<Duration> {
    let because = ": a PAT lives 1s to 5m, so that a stolen one expires soon";
    value.duration(Range { least: "1s", greatest: "5m", because })
}

fn lifetime(section: &mut Section<'_>) -> Duration {
    let Some(value) = pat_lifetime_value(section) else { return PAT_LIFETIME };
    let lifetime = pat_lifetime(&value).unwrap_or(PAT_LIFETIME);
    if lifetime < PAT_LIFETIME_LEAST {
        let what = "pat_lifetime is less than 1m: Azure DevOps may refuse it, and where clocks \
                    differ a PAT may expire before it is used";
        value.reader.warn(value.offset, what, "write pat_lifetime = \"1m\" or more");
    }
    lifetime
}

fn mint_ahead(section: &mut Section<'_>, pat_use: PatUse) -> bool {
    let Some(value) = section.value("mint_ahead", "true") else { return true };
    if pat_use == PatUse::Window {
        let what = "mint_ahead has no effect with pat_use = \"window\"";
        value.reader.warn(value.offset, what, "leave it out: one PAT per scope serves many calls");
    }
    value.flag().unwrap_or(true)
}
