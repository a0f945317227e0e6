//! Scopes: what a token may be used for (docs/azure-devops.md §4.3).
//!
//! What the token's identity may do is a matter of permissions.

/// A scope of a token. Those that the gateway does not need are accepted by name and permit
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `vso.code`: read code, manage hooks.
    Code,
    /// `vso.code_write`: also write code and policies.
    CodeWrite,
    /// `vso.code_manage`: also manage repositories.
    CodeManage,
    /// `vso.code_full`: everything about code.
    CodeFull,
    /// `vso.code_status`: statuses only; reads no code and manages no hooks.
    CodeStatus,
    /// `vso.build`: read builds, manage hooks.
    Build,
    /// `vso.build_execute`: also queue builds.
    BuildExecute,
    /// `vso.threads_full`: comment threads.
    Threads,
    /// `vso.project`: read projects.
    Project,
    /// `vso.identity`: find identities.
    Identity,
    /// `vso.graph`: read users and groups.
    Graph,
    /// `vso.security_manage`: change permissions.
    SecurityManage,
    /// `vso.pats`: see PATs; only a bearer token of a person has it.
    Pats,
    /// `vso.pats_manage`: create, change and revoke PATs; only a bearer token of a person has it.
    PatsManage,
    /// `app_token`: everything.
    Full,
    /// A scope of ADO for calls that the fake does not have.
    Other,
}

/// The wire names of `Scope::Other`.
const OTHERS: [&str; 34] = [
    "vso.agentpools",
    "vso.agentpools_manage",
    "vso.analytics",
    "vso.auditlog",
    "vso.dashboards",
    "vso.dashboards_manage",
    "vso.entitlements",
    "vso.environment_manage",
    "vso.extension",
    "vso.extension_manage",
    "vso.graph_manage",
    "vso.identity_manage",
    "vso.memberentitlementmanagement",
    "vso.notification",
    "vso.notification_manage",
    "vso.packaging",
    "vso.packaging_manage",
    "vso.packaging_write",
    "vso.profile",
    "vso.profile_write",
    "vso.project_manage",
    "vso.project_write",
    "vso.release",
    "vso.release_execute",
    "vso.release_manage",
    "vso.serviceendpoint",
    "vso.serviceendpoint_manage",
    "vso.test",
    "vso.test_write",
    "vso.tokenadministration",
    "vso.wiki",
    "vso.work",
    "vso.work_full",
    "vso.work_write",
];

impl Scope {
    /// The scope of that wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "vso.code" => Self::Code,
            "vso.code_write" => Self::CodeWrite,
            "vso.code_manage" => Self::CodeManage,
            "vso.code_full" => Self::CodeFull,
            "vso.code_status" => Self::CodeStatus,
            "vso.build" => Self::Build,
            "vso.build_execute" => Self::BuildExecute,
            "vso.threads_full" => Self::Threads,
            "vso.project" => Self::Project,
            "vso.identity" => Self::Identity,
            "vso.graph" => Self::Graph,
            "vso.security_manage" => Self::SecurityManage,
            "vso.pats" => Self::Pats,
            "vso.pats_manage" => Self::PatsManage,
            "app_token" | "user_impersonation" => Self::Full,
            other if OTHERS.contains(&other) => Self::Other,
            _ => return None,
        })
    }

    /// Whether this scope is enough where `needed` is required.
    pub(crate) fn grants(self, needed: Self) -> bool {
        let status = matches!(needed, Self::Code | Self::CodeStatus | Self::CodeWrite);
        match self {
            // Whether full access includes the PAT API is unknown (docs/azure-devops.md §4.1). Here
            // it does not.
            Self::Full => !matches!(needed, Self::Pats | Self::PatsManage),
            Self::CodeWrite => status,
            Self::CodeManage => status || needed == Self::CodeManage,
            Self::CodeFull => status || matches!(needed, Self::CodeManage | Self::CodeFull),
            Self::BuildExecute => matches!(needed, Self::Build | Self::BuildExecute),
            _ => self == needed,
        }
    }

    /// Whether a narrower scope than this one is enough for a call that needs one of these.
    pub(crate) fn is_broader_than(self, needed: &[Self]) -> bool {
        if needed.is_empty() {
            // The call needs no scope. A token that can change something is broader than necessary.
            return !matches!(
                self,
                Self::Code | Self::CodeStatus | Self::Build | Self::Project | Self::Other
            );
        }
        needed.iter().any(|one| self != *one && self.grants(*one))
    }
}
