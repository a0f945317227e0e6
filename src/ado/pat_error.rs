//! `patTokenError` of the PAT API: what each name means, who can act, and the advice for an
//! operator (docs/azure-devops.md §4.1).
//!
//! The set grows with the API's versions: an unknown name is kept as it is and counts as permanent.

use std::fmt;

use crate::domain::text::cut;

/// Who can resolve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatRemedy {
    /// Nobody needs to act: minting is tried again.
    Wait,
    /// An administrator of the organization or the tenant has to change a policy.
    Policy,
    /// The operator has to change the configuration or link the service user again.
    Operator,
    /// The gateway sent a wrong request.
    Defect,
}

/// A refusal to mint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatError {
    /// The value of `patTokenError`.
    pub name: String,
    /// The message of Azure DevOps, shortened.
    pub message: String,
    pub remedy: PatRemedy,
    /// What is wrong and what to do, for an operator.
    pub advice: &'static str,
}

const CREATION: &str = "the organization restricts who may create personal access tokens: in \
    Organization settings > Policies > \"Restrict personal access token creation\", put the \
    service user on the allow list";
const GLOBAL: &str = "the tenant restricts global personal access tokens: the gateway never asks \
    for one, so an administrator has to look at Microsoft Entra > Azure DevOps policies > \
    \"Restrict global personal access token creation\"";
const FULL: &str = "the tenant restricts full-scoped personal access tokens: the gateway never \
    asks for one, so an administrator has to look at Microsoft Entra > Azure DevOps policies > \
    \"Restrict full-scoped personal access token creation\"";
const LIFESPAN: &str = "the tenant limits the life of personal access tokens to less than \
    pat_lifetime: shorten [organization.credential] pat_lifetime, or let an administrator put the \
    service user on the exemption list of \"Enforce maximum personal access token lifespan\"";
const DENIED: &str = "the service user may not create personal access tokens here: check that it \
    is a member of the organization with at least a Basic or Stakeholder licence, and that \
    Organization settings > Policies let it create tokens";
const NOT_A_USER: &str = "only a user account (of a person or a robot) can mint personal access \
    tokens: link such an account, or use kind = \"service_principal\"";
const LIFE: &str = "Azure DevOps refuses the end of validity that was asked for: check the \
    clock of this machine, or lengthen [organization.credential] pat_lifetime";
const TRANSIENT: &str = "Azure DevOps could not mint the token just now; minting is tried again";
const DEFECT: &str = "the gateway sent a request that Azure DevOps does not accept: report \
    this as a bug, with the name of the error";
const SOURCE: &str = "Azure DevOps refuses to mint tokens for requests from this IP \
    address: let an administrator look at the IP conditional access policy of the organization";
const GONE: &str = "Azure DevOps no longer knows the token or its account: \
    link the service user again";

/// Every name that the API has in version 7.2, with what to do.
pub(super) const TABLE: [(&str, PatRemedy, &str); 36] = [
    ("displayNameRequired", PatRemedy::Defect, DEFECT),
    ("invalidDisplayName", PatRemedy::Defect, DEFECT),
    ("invalidValidTo", PatRemedy::Operator, LIFE),
    ("invalidScope", PatRemedy::Defect, DEFECT),
    ("userIdRequired", PatRemedy::Operator, NOT_A_USER),
    ("invalidUserId", PatRemedy::Operator, NOT_A_USER),
    ("invalidUserType", PatRemedy::Operator, NOT_A_USER),
    ("accessDenied", PatRemedy::Policy, DENIED),
    ("failedToIssueAccessToken", PatRemedy::Wait, TRANSIENT),
    ("invalidClient", PatRemedy::Operator, NOT_A_USER),
    ("invalidClientType", PatRemedy::Operator, NOT_A_USER),
    ("invalidClientId", PatRemedy::Operator, NOT_A_USER),
    ("invalidTargetAccounts", PatRemedy::Policy, DENIED),
    ("hostAuthorizationNotFound", PatRemedy::Operator, GONE),
    ("authorizationNotFound", PatRemedy::Operator, GONE),
    ("failedToUpdateAccessToken", PatRemedy::Wait, TRANSIENT),
    ("sourceNotSupported", PatRemedy::Policy, SOURCE),
    ("invalidSourceIP", PatRemedy::Policy, SOURCE),
    ("invalidSource", PatRemedy::Policy, SOURCE),
    ("duplicateHash", PatRemedy::Wait, TRANSIENT),
    ("sshPolicyDisabled", PatRemedy::Defect, DEFECT),
    ("invalidToken", PatRemedy::Operator, GONE),
    ("tokenNotFound", PatRemedy::Operator, GONE),
    ("invalidAuthorizationId", PatRemedy::Defect, DEFECT),
    ("failedToReadTenantPolicy", PatRemedy::Wait, TRANSIENT),
    ("globalPatPolicyViolation", PatRemedy::Policy, GLOBAL),
    ("fullScopePatPolicyViolation", PatRemedy::Policy, FULL),
    ("patLifespanPolicyViolation", PatRemedy::Policy, LIFESPAN),
    ("invalidTokenType", PatRemedy::Defect, DEFECT),
    ("invalidAudience", PatRemedy::Operator, NOT_A_USER),
    ("invalidSubject", PatRemedy::Operator, NOT_A_USER),
    ("deploymentHostNotSupported", PatRemedy::Defect, DEFECT),
    ("disablePatCreationPolicyViolation", PatRemedy::Policy, CREATION),
    ("failedToReadOrgPolicy", PatRemedy::Wait, TRANSIENT),
    ("globalPATCreationBlocked", PatRemedy::Policy, GLOBAL),
    ("expiredPatCannotBeExtended", PatRemedy::Defect, DEFECT),
];

impl PatError {
    /// From the name and the message of a refusal.
    pub fn new(name: &str, message: &str) -> Self {
        let row = TABLE.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        let (remedy, advice) =
            row.map_or((PatRemedy::Defect, DEFECT), |(_, remedy, advice)| (*remedy, *advice));
        Self { name: cut(name, 60), message: cut(message, 200), remedy, advice }
    }
}

impl fmt::Display for PatError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.advice, self.name)?;
        if !self.message.is_empty() {
            write!(out, ": {}", self.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once_with_advice() {
        for (at, (name, _, advice)) in TABLE.iter().enumerate() {
            let same = TABLE.iter().filter(|(other, ..)| other.eq_ignore_ascii_case(name));
            assert_eq!(same.count(), 1, "{name} (row {at})");
            assert!(advice.len() > 20, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_kept_and_counts_as_permanent() {
        let error = PatError::new("quotaOfTheYear2030", "too many");
        assert_eq!(error.remedy, PatRemedy::Defect);
        assert!(error.to_string().ends_with("(quotaOfTheYear2030): too many"), "{error}");
    }
}
