//! The OAuth scopes and the resource that tokens are requested for.

/// Azure DevOps as a resource of Entra, in every tenant (docs/azure-devops.md §4.4).
pub(super) const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// What a user grants: minting and revoking PATs, and a refresh token, so that the user is asked
/// once (docs/azure-devops.md §4.1).
pub(super) const PAT_SCOPES: &str = "499b84ac-1321-427f-aa17-267ca6975798/vso.pats \
     499b84ac-1321-427f-aa17-267ca6975798/vso.pats_manage offline_access openid profile email";
/// What a person grants who signs in to the pages: to ask Azure DevOps what the person may see
/// there, with a refresh token, since an access token ends sooner than a session.
pub(super) const PEOPLE_SCOPES: &str =
    "499b84ac-1321-427f-aa17-267ca6975798/vso.code offline_access openid profile";
/// Every permission that the app was given in Azure DevOps.
pub(super) const APP_SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
