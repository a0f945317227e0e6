//! Whether the account that signed in may be linked: a browser may sign in without asking, with an
//! account that it remembers.
//!
//! Sign-in name and object id are compared. The `email` claim is not, since it can be changed to
//! any address. A sign-in name may be given to another account one day, an object id never is: so
//! the object id is remembered with the link, and another account of the same name is refused.

use crate::credentials::entra::Account;
use crate::storage::Link;

/// Checks the account against `expected_user` of the configuration and the account that is linked.
///
/// # Errors
/// Why the account is refused, and what an operator can do.
pub(super) fn check(
    organization: &str,
    expected: Option<&str>,
    linked: Option<&Link>,
    account: &Account,
) -> Result<(), String> {
    let Account { user_name, object_id, .. } = account;
    if let Some(expected) = expected {
        if expected.eq_ignore_ascii_case(object_id) {
            return Ok(());
        }
        if !is_same_name(user_name, expected) {
            return Err(format!(
                "the account {user_name} (object id {object_id}) signed in, and {expected} is \
                 expected: sign in with that one, in a private window if your browser keeps \
                 choosing another; or change expected_user in the configuration"
            ));
        }
    }
    match linked.filter(|linked| is_same_name(&linked.user_name, user_name)) {
        Some(Link { object_id: known, .. }) if !known.eq_ignore_ascii_case(object_id) => {
            Err(format!(
                "the account {user_name} that signed in has the object id {object_id}, and the one \
                 of that name that is linked has {known}: it is another account that was given \
                 the same name. If it is to be used, set expected_user = \"{object_id}\" in the \
                 configuration, or unlink the old one first: azdo-gateway link {organization} \
                 --remove"
            ))
        }
        _ => Ok(()),
    }
}

fn is_same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::secret::Sealed;

    const ID: &str = "0A1B2C3D-0000-4000-8000-000000000001";
    const OTHER_ID: &str = "0a1b2c3d-0000-4000-8000-000000000002";

    fn account(user_name: &str, object_id: &str) -> Account {
        Account {
            tenant_id: "t".into(),
            object_id: object_id.into(),
            user_name: user_name.into(),
            // Whatever it says, it changes nothing.
            email: Some("svc@contoso.com".into()),
            name: None,
            groups: Some(Vec::new()),
            app_roles: Vec::new(),
            signed_in_at: None,
        }
    }

    fn link(user_name: &str, object_id: &str) -> Link {
        let at = Timestamp::ZERO;
        Link {
            organization: "fabrikam".into(),
            revision: 1,
            tenant_id: "t".into(),
            object_id: object_id.into(),
            user_name: user_name.into(),
            email: None,
            linked_at: at,
            linked_by: "ops".into(),
            signed_in_at: at,
            refresh_token: Sealed(Vec::new()),
            access_token: None,
            access_expires_at: at,
            refreshed_at: at,
            retry_at: at,
            failures: 0,
            problem: None,
        }
    }

    fn check(expected: Option<&str>, linked: Option<&Link>, account: &Account) -> Option<String> {
        super::check("fabrikam", expected, linked, account).err()
    }

    #[test]
    fn the_name_or_the_object_id_is_expected_and_the_email_is_not_looked_at() {
        let svc = account("Svc@Contoso.com", ID);
        for expected in [None, Some("svc@contoso.com"), Some(ID), Some(&*ID.to_lowercase())] {
            assert_eq!(check(expected, None, &svc), None, "{expected:?}");
        }
        let other = account("jo@contoso.com", OTHER_ID);
        for expected in ["svc@contoso.com", ID] {
            let reason = check(Some(expected), None, &other).expect("it is another account");
            for words in ["jo@contoso.com", OTHER_ID, expected, "expected_user"] {
                assert!(reason.contains(words), "{words} is not in {reason}");
            }
        }
    }

    #[test]
    fn another_account_with_the_name_of_the_linked_one_is_refused_until_its_id_is_expected() {
        let (linked, again) = (link("SVC@contoso.com", ID), account("svc@contoso.com", OTHER_ID));
        for expected in [None, Some("svc@contoso.com")] {
            let reason = check(expected, Some(&linked), &again).expect("it is another account");
            let remedy = "azdo-gateway link fabrikam --remove";
            for words in [ID, OTHER_ID, "expected_user", remedy] {
                assert!(reason.contains(words), "{words} is not in {reason}");
            }
        }
        assert_eq!(check(Some(OTHER_ID), Some(&linked), &again), None);
        let same = account("svc@contoso.com", &ID.to_lowercase());
        assert_eq!(check(None, Some(&linked), &same), None);
        // Where any account may be linked, so may one with another name.
        assert_eq!(check(None, Some(&linked), &account("jo@contoso.com", OTHER_ID)), None);
    }
}
