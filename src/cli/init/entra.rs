//! What to register in Entra for a credential: the fields of the portal, and the same as lines for
//! `az`. Microsoft's words are those of the pages (docs/azure-devops.md §4.4).

use super::answers::Answers;

/// The id of Azure DevOps in every tenant.
const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// What `client_id` is called in lines for `az` while it is not known.
const CLIENT_ID: &str = "CLIENT_ID";

/// What to do in Entra; nothing for kinds that need no app.
pub(super) fn steps(answers: &Answers, knows_client: bool) -> Option<String> {
    let given = answers.credential.values.get("client_id").filter(|_| knows_client);
    let client = given.map_or(CLIENT_ID, String::as_str);
    let mut steps = String::new();
    match answers.credential.kind.name {
        "service_user" => service_user(&mut steps, &callback(&answers.public_url), client),
        "service_principal" => service_principal(&mut steps, client),
        "workload_identity" => workload_identity(&mut steps, client),
        _ => return None,
    }
    Some(steps)
}

/// Where Entra sends the browser back to when the service user was signed in.
fn callback(public_url: &str) -> String {
    let base = public_url.trim_end_matches('/');
    format!("{base}/complete/azure_active_directory_service_user")
}

fn add(steps: &mut String, text: &str) {
    steps.push_str(&format!("{text}\n"));
}

/// The beginning, which all kinds have.
fn registration(steps: &mut String, redirect: Option<&str>) {
    add(steps, "In the Entra admin center (https://entra.microsoft.com), App registrations:");
    add(steps, "  New registration");
    add(steps, "    Name                     azdo-gateway");
    add(steps, "    Supported account types  Accounts in this organizational directory only");
    if let Some(redirect) = redirect {
        add(steps, "    Redirect URI             Web");
        add(steps, &format!("                             {redirect}"));
    }
    add(steps, "  Overview");
    add(steps, "    Application (client) ID  is client_id");
    add(steps, "    Directory (tenant) ID    is tenant_id");
}

fn client_secret(steps: &mut String) {
    add(steps, "  Certificates & secrets → Client secrets → New client secret");
    add(steps, "    Value                    is ENTRA_CLIENT_SECRET (not the Secret ID)");
}

fn created(steps: &mut String, client: &str, redirect: Option<&str>) {
    add(steps, "\nThe same with az:");
    if client == CLIENT_ID {
        let web = redirect.map(|it| format!(" --web-redirect-uris {it}")).unwrap_or_default();
        add(
            steps,
            &format!(
                "  CLIENT_ID=$(az ad app create --display-name azdo-gateway --sign-in-audience \
                 AzureADMyOrg{web} --query appId --output tsv)"
            ),
        );
    } else {
        add(steps, &format!("  CLIENT_ID={client}"));
    }
}

fn service_user(steps: &mut String, redirect: &str, client: &str) {
    registration(steps, Some(redirect));
    client_secret(steps);
    add(steps, "  API permissions → Add a permission → Azure DevOps → Delegated permissions");
    add(steps, "    vso.pats, vso.pats_manage");
    add(steps, "  API permissions → Grant admin consent");
    created(steps, client, Some(redirect));
    for scope in ["pats", "pats_manage"] {
        let variable = scope.to_uppercase();
        add(
            steps,
            &format!(
                "  {variable}=$(az ad sp show --id {AZURE_DEVOPS} --query \
                 \"oauth2PermissionScopes[?value=='vso.{scope}'].id | [0]\" --output tsv)"
            ),
        );
    }
    add(
        steps,
        &format!(
            "  az ad app permission add --id $CLIENT_ID --api {AZURE_DEVOPS} --api-permissions \
             $PATS=Scope $PATS_MANAGE=Scope"
        ),
    );
    add(steps, "  az ad app permission admin-consent --id $CLIENT_ID");
    new_secret(steps);
    add(
        steps,
        &format!(
            "\nAn app that was registered as dbt Cloud's page says (multitenant, with \
             user_impersonation only)\ndoes as well. Add to it, and leave what it has:\n  \
             Authentication → Web → Add URI\n    {redirect}\n  API permissions → Azure DevOps → \
             Delegated permissions → vso.pats, vso.pats_manage, then Grant admin consent:\n    \
             user_impersonation does not let the gateway mint tokens\n  Certificates & secrets → a \
             client secret of its own for the gateway\ntenant_id is the id of your tenant although \
             the app is multitenant, and not \"common\" or \"organizations\"."
        ),
    );
}

fn new_secret(steps: &mut String) {
    add(
        steps,
        "  az ad app credential reset --id $CLIENT_ID --append --display-name azdo-gateway --query \
         password --output tsv",
    );
}

fn service_principal(steps: &mut String, client: &str) {
    registration(steps, None);
    client_secret(steps);
    member(steps);
    created(steps, client, None);
    add(steps, "  az ad sp create --id $CLIENT_ID");
    new_secret(steps);
}

fn workload_identity(steps: &mut String, client: &str) {
    registration(steps, None);
    add(steps, "  Certificates & secrets → Federated credentials → Add credential");
    add(steps, "    Issuer, Subject, Audience of the platform's token");
    member(steps);
    created(steps, client, None);
    add(steps, "  az ad sp create --id $CLIENT_ID");
    add(
        steps,
        "  az ad app federated-credential create --id $CLIENT_ID --parameters \
         '{\"name\": \"azdo-gateway\", \"issuer\": \"ISSUER\", \"subject\": \"SUBJECT\", \
         \"audiences\": [\"api://AzureADTokenExchange\"]}'",
    );
}

/// Apps need no permissions of Azure DevOps: what they may do is granted there.
fn member(steps: &mut String) {
    add(steps, "In Azure DevOps, Organization settings → Users → Add users: the app, with the");
    add(steps, "access level Basic and the projects of the checks.");
}
