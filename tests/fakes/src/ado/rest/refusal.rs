//! Refusals, in the shape that ADO gives them.
//!
//! Programs branch on the `typeKey` and on the TF number. The other words of a message are not
//! those of ADO.

use serde_json::json;

use crate::ado::security::permission::Permission;
use crate::http::Response;

const GIT: &str = "Microsoft.TeamFoundation.Git.Server";
const WEB_API: &str = "Microsoft.VisualStudio.Services.WebApi";
const CORE: &str = "Microsoft.VisualStudio.Services.Common";

/// ADO's error document (docs/azure-devops.md §8).
pub(crate) fn refusal(status: u16, assembly: &str, key: &str, message: &str) -> Response {
    let body = json!({
        "$id": "1",
        "innerException": null,
        "message": message,
        "typeName": format!("{assembly}.{key}, {assembly}"),
        "typeKey": key,
        "errorCode": 0,
        "eventId": 3000,
    });
    Response::json(status, &body)
}

/// A missing, unknown or expired token: a sign-in page for GET and POST, else 401
/// (docs/azure-devops.md §8).
pub(crate) fn signed_out(method: &str) -> Response {
    if matches!(method, "GET" | "POST" | "HEAD") {
        let page = "<!DOCTYPE html><html><head><title>Azure DevOps | Sign In</title></head>\
                    <body>Sign in to continue.</body></html>";
        return Response::html(203, page);
    }
    unauthorized("TF400813: The user is not authorized to access this resource.")
}

/// A token without a needed scope: 401, as for a revoked one (docs/azure-devops.md §8).
pub(crate) fn scope_missing() -> Response {
    unauthorized("TF400813: The token does not have the scope that this call needs.")
}

/// 401 as JSON, where ADO sends no sign-in page.
pub(crate) fn unauthorized(message: &str) -> Response {
    let assembly = "Microsoft.TeamFoundation.Framework.Server";
    refusal(401, assembly, "UnauthorizedRequestException", message)
        .with_header("www-authenticate", "Basic realm=\"https://fakes.invalid/\"")
}

/// The redirect to the sign-in page, for an application that calls what is for people
/// (docs/azure-devops.md §4.1).
pub(crate) fn redirected_to_sign_in() -> Response {
    let location = "https://fakes.vssps.visualstudio.invalid/_signin?realm=vssps.dev.azure.com";
    let page = "<html><head><title>Object moved</title></head>\
                <body><h2>Object moved</h2></body></html>";
    Response::html(302, page).with_header("location", location)
}

/// A missing permission outside git: 403.
pub(crate) fn forbidden(message: &str) -> Response {
    refusal(403, CORE, "AccessCheckException", message)
}

/// A missing permission in git: 403 with TF401027 (docs/azure-devops.md §5).
pub(crate) fn permission_missing(permission: Permission, identity: &str) -> Response {
    let text = format!(
        "TF401027: You need the Git '{permission:?}' permission to perform this action. \
         Details: identity '{identity}', scope 'repository'."
    );
    refusal(403, GIT, "GitNeedsPermissionException", &text)
}

/// A missing permission on service hooks: 403.
pub(crate) fn hooks_permission_missing(permission: Permission) -> Response {
    let text = format!("Access denied: {permission:?} is needed on these subscriptions.");
    refusal(403, CORE, "AccessCheckException", &text)
}

/// An unknown repository, or one that the caller may not see (docs/azure-devops.md §8).
pub(crate) fn repository_unknown(name: &str) -> Response {
    let text = format!(
        "TF401019: The Git repository with name or identifier {name} does not exist or you do not \
         have permissions for the operation you are attempting."
    );
    refusal(404, GIT, "GitRepositoryNotFoundException", &text)
}

/// An unknown project, or one that the caller may not see (docs/azure-devops.md §8).
pub(crate) fn project_unknown(name: &str) -> Response {
    let text = format!("TF200016: The following project does not exist: {name}.");
    let assembly = "Microsoft.TeamFoundation.Core.WebApi";
    refusal(404, assembly, "ProjectDoesNotExistWithNameException", &text)
}

/// An unknown pull request (docs/azure-devops.md §8).
pub(crate) fn pull_request_unknown(id: &str) -> Response {
    let text = format!("TF401180: The requested pull request was not found: {id}.");
    refusal(404, GIT, "GitPullRequestNotFoundException", &text)
}

/// An unknown commit.
pub(crate) fn commit_unknown(id: &str) -> Response {
    let text = format!("TF401175: The version descriptor <Commit: {id}> could not be resolved.");
    refusal(404, GIT, "GitCommitDoesNotExistException", &text)
}

/// Anything else in git that does not exist.
pub(crate) fn git_item_unknown(key: &str, message: &str) -> Response {
    refusal(404, GIT, key, message)
}

/// A status that is forbidden by the state of the pull request or by a policy
/// (docs/azure-devops.md §5).
pub(crate) fn status_forbidden(key: &str, message: &str) -> Response {
    refusal(403, GIT, key, message)
}

/// A body or parameter that ADO does not accept.
pub(crate) fn bad_request(message: &str) -> Response {
    refusal(400, CORE, "VssPropertyValidationException", message)
}

/// Refuses a body or parameter unless a condition holds.
pub(crate) fn refuse_unless(condition: bool, message: &str) -> Result<(), Response> {
    if condition { Ok(()) } else { Err(bad_request(message)) }
}

/// A request whose version header or media type ADO does not serve.
pub(crate) fn bad_protocol(key: &str, message: &str) -> Response {
    refusal(400, WEB_API, key, message)
}

/// Anything that does not exist in an area outside git.
pub(crate) fn not_found(key: &str, message: &str) -> Response {
    refusal(404, WEB_API, key, message)
}

/// A path that does not exist: ADO answers with a page, not with JSON.
pub(crate) fn page_not_found() -> Response {
    Response::html(404, "<html><title>404 - The page cannot be found</title></html>")
}

/// A path that exists, but not for this method.
pub(crate) fn method_not_allowed(method: &str) -> Response {
    let text = format!("The requested resource does not support http method '{method}'.");
    Response::json(405, &json!({"count": 1, "value": {"Message": text}}))
}
