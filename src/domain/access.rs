//! Who may do what: roles, and which of the people who sign in with Entra has which.

use serde::{Deserialize, Serialize};

/// Groups of a person that a session keeps, those first that the configuration names: a browser
/// takes no long cookie.
const GROUPS_MAX: usize = 40;
/// The same for app roles, of which people have few.
const APP_ROLES_MAX: usize = 20;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Operator,
    /// Report on runs and post statuses.
    Reporter,
    /// Take runs to execute.
    Runner,
    /// See everything.
    Viewer,
    /// What Azure DevOps lets the person see and change. Only people who sign in with Entra have
    /// this role.
    Developer,
}

impl Role {
    /// The word for it. Those of API tokens are in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Reporter => "reporter",
            Role::Runner => "runner",
            Role::Viewer => "viewer",
            Role::Developer => "developer",
        }
    }
}

/// Some people of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// Who signs in with this name.
    Account(String),
    /// Who is in the group with this object id.
    Group(String),
    /// Who has this app role of the app registration.
    AppRole(String),
}

/// What Entra says of a person who has signed in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Claims {
    /// Identifies the account permanently.
    pub object_id: String,
    /// The name that the person signs in with.
    pub user_name: String,
    /// Object ids; none where Entra does not list them, since there are too many.
    pub groups: Option<Vec<String>>,
    pub app_roles: Vec<String>,
}

/// Which people have a role here. All others of the tenant are developers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub operators: Vec<Members>,
    pub viewers: Vec<Members>,
}

impl Access {
    /// The role of a person. None where it depends on groups that Entra does not list.
    pub fn role_of(&self, claims: &Claims) -> Option<Role> {
        for (members, role) in [(&self.operators, Role::Operator), (&self.viewers, Role::Viewer)] {
            if members.iter().any(|one| one.include(claims)) {
                return Some(role);
            }
            let is_group = |one: &Members| matches!(one, Members::Group(_));
            if claims.groups.is_none() && members.iter().any(is_group) {
                return None;
            }
        }
        Some(Role::Developer)
    }

    /// The claims without groups and app roles beyond what a session keeps.
    pub fn for_session(&self, mut claims: Claims) -> Claims {
        let all = || self.operators.iter().chain(&self.viewers);
        let is_named = |claim: &String| {
            all().any(|one| match one {
                Members::Group(id) => id.eq_ignore_ascii_case(claim),
                Members::AppRole(name) => name == claim,
                Members::Account(_) => false,
            })
        };
        for (list, most) in claims
            .groups
            .iter_mut()
            .map(|groups| (groups, GROUPS_MAX))
            .chain([(&mut claims.app_roles, APP_ROLES_MAX)])
        {
            list.sort_by_key(|claim| !is_named(claim));
            list.truncate(most);
        }
        claims
    }
}

impl Members {
    /// Names of accounts and ids are compared without case, as Entra does. Values of app roles are
    /// not.
    fn include(&self, claims: &Claims) -> bool {
        match self {
            Members::Account(name) => name.to_lowercase() == claims.user_name.to_lowercase(),
            Members::Group(id) => {
                let mut groups = claims.groups.iter().flatten();
                groups.any(|group| group.eq_ignore_ascii_case(id))
            }
            Members::AppRole(name) => claims.app_roles.contains(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "0a1b2c3d-0000-4000-8000-00000000aaaa";

    fn jo() -> Claims {
        Claims {
            object_id: "o".into(),
            user_name: "Jo@contoso.com".into(),
            groups: Some(Vec::new()),
            app_roles: Vec::new(),
        }
    }

    fn access(operators: &[Members], viewers: &[Members]) -> Access {
        Access { operators: operators.to_vec(), viewers: viewers.to_vec() }
    }

    #[test]
    fn the_highest_role_counts_and_everybody_else_is_a_developer() {
        let account = Members::Account("jo@contoso.com".into());
        let (group, role) = (Members::Group(GROUP.into()), Members::AppRole("Operator".into()));
        let in_group = Claims { groups: Some(vec![GROUP.to_uppercase()]), ..jo() };
        let with_role = Claims { app_roles: vec!["Operator".into()], ..jo() };
        let other_role = Claims { app_roles: vec!["operator".into()], ..jo() };
        for (operators, viewers, claims, expected) in [
            (vec![], vec![], jo(), Role::Developer),
            (vec![account.clone()], vec![account.clone()], jo(), Role::Operator),
            (vec![], vec![account], jo(), Role::Viewer),
            (vec![group.clone()], vec![], jo(), Role::Developer),
            (vec![group.clone()], vec![], in_group.clone(), Role::Operator),
            (vec![role.clone()], vec![group], in_group, Role::Viewer),
            (vec![role.clone()], vec![], with_role, Role::Operator),
            (vec![role], vec![], other_role, Role::Developer),
            (vec![Members::Account(GROUP.into())], vec![], jo(), Role::Developer),
        ] {
            assert_eq!(access(&operators, &viewers).role_of(&claims), Some(expected));
        }
    }

    #[test]
    fn a_role_that_depends_on_groups_that_are_not_listed_is_not_known() {
        let account = Members::Account("jo@contoso.com".into());
        let group = Members::Group(GROUP.into());
        let many = Claims { groups: None, ..jo() };
        for (operators, viewers, expected) in [
            (vec![group.clone()], vec![account.clone()], None),
            (vec![], vec![group.clone()], None),
            (vec![group.clone(), account.clone()], vec![], Some(Role::Operator)),
            (vec![account], vec![group], Some(Role::Operator)),
            (vec![], vec![], Some(Role::Developer)),
        ] {
            assert_eq!(access(&operators, &viewers).role_of(&many), expected);
        }
    }

    #[test]
    fn a_session_keeps_the_groups_that_the_configuration_names() {
        let others = (0..200).map(|number| format!("group-{number}"));
        let claims = Claims { groups: Some(others.chain([GROUP.into()]).collect()), ..jo() };
        let access = access(&[], &[Members::Group(GROUP.to_uppercase())]);
        let claims = access.for_session(claims);
        let groups = claims.groups.clone().unwrap_or_default();
        assert_eq!((groups.len(), groups.first().map(String::as_str)), (40, Some(GROUP)));
        assert_eq!(access.role_of(&claims), Some(Role::Viewer));
    }
}
