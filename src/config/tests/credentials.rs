//! The options that each kind of `[organization.credential]` results in, and its warnings.
//!
//! The errors are in `refusals/service_user.txt`, `service_principal.txt` and `platform.txt`.

use std::path::PathBuf;
use std::time::Duration;

use super::rules::{accepted, warnings};
use super::*;
use crate::credentials::{AppCredential, Options, PatUse};
use crate::domain::time::Timestamp;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "66666666-7777-8888-9999-AAAAAAAAAAAA";
const SECRET: &str = "client_secret = { env = \"ENTRA_CLIENT_SECRET\" }\n";

fn credential(kind: &str, keys: &str) -> String {
    format!("[organization.credential]\nkind = \"{kind}\"\n{keys}")
}

/// A credential with the ids of tenant and app.
fn app(kind: &str, keys: &str) -> String {
    credential(kind, &format!("tenant_id = \"{TENANT}\"\nclient_id = \"{CLIENT}\"\n{keys}"))
}

fn options(table: &str) -> Options {
    accepted(&[(CREDENTIAL, table)]).organizations[0].credential.clone()
}

#[test]
fn a_service_user_needs_no_more_than_its_app() {
    let table = app("service_user", SECRET);
    assert!(warnings(&[(CREDENTIAL, &table)]).is_empty());
    let Options::ServiceUser(user) = options(&table) else { panic!("another kind") };
    assert_eq!(user.app.authority_url.as_str(), "https://login.microsoftonline.com/");
    assert_eq!((user.app.tenant_id.as_str(), user.app.client_id.as_str()), (TENANT, CLIENT));
    assert_eq!(user.client_secrets.len(), 1);
    assert_eq!(user.client_secrets[0].expose(), CLIENT_SECRET);
    assert_eq!((user.client_secret_expires, user.expected_user), (None, None));
    assert_eq!((user.pat_use, user.pat_lifetime), (PatUse::Single, Duration::from_mins(5)));
    assert!(user.mint_ahead);
}

#[test]
fn every_key_of_a_service_user_is_read() {
    let secrets = "[{ env = \"ENTRA_CLIENT_SECRET\" }, { env = \"ENTRA_CLIENT_SECRET_NEXT\" }]";
    let keys = format!(
        "client_secret = {secrets}\nclient_secret_expires = 2027-01-31\n\
         authority_url = \"http://127.0.0.1:7071/entra/\"\n\
         expected_user = \"svc-ci@contoso.com\"\npat_use = \"window\"\npat_lifetime = \"1m\"\n"
    );
    let Options::ServiceUser(user) = options(&app("service_user", &keys)) else {
        panic!("another kind")
    };
    assert_eq!(user.app.authority_url.as_str(), "http://127.0.0.1:7071/entra");
    assert_eq!(user.client_secrets[1].expose(), NEXT_CLIENT_SECRET);
    assert_eq!(user.client_secret_expires, Timestamp::parse("2027-01-31T00:00:00Z"));
    assert_eq!(user.expected_user.as_deref(), Some("svc-ci@contoso.com"));
    assert_eq!((user.pat_use, user.pat_lifetime), (PatUse::Window, Duration::from_mins(1)));
    let keys = format!("{SECRET}mint_ahead = false\nexpected_user = \"{CLIENT}\"\n");
    let Options::ServiceUser(user) = options(&app("service_user", &keys)) else {
        panic!("another kind")
    };
    assert!(!user.mint_ahead);
    assert_eq!(user.expected_user.as_deref(), Some(CLIENT), "an object id is a GUID");
}

#[test]
fn a_service_principal_has_client_secrets_or_a_certificate() {
    let Options::ServicePrincipal { app: read, credential: AppCredential::Secrets(secrets) } =
        options(&app("service_principal", SECRET))
    else {
        panic!("another kind")
    };
    assert_eq!((read.tenant_id.as_str(), secrets.len()), (TENANT, 1));
    for (path, begin) in [("secrets/entra", "-----BEGIN CERT"), ("rsa", "-----BEGIN RSA")] {
        let keys = format!("client_certificate = {{ file = \"/run/{path}.pem\" }}\n");
        let Options::ServicePrincipal { credential: AppCredential::Certificate(pem), .. } =
            options(&app("service_principal", &keys))
        else {
            panic!("another kind")
        };
        assert!(pem.expose().starts_with(begin), "{path}");
    }
}

#[test]
fn a_managed_identity_needs_no_keys() {
    let read = |keys: &str| {
        let options = options(&credential("managed_identity", keys));
        let Options::ManagedIdentity { client_id, endpoint_url } = options else {
            panic!("another kind")
        };
        (client_id, endpoint_url.to_string())
    };
    assert_eq!(read(""), (None, "http://169.254.169.254/".to_owned()));
    let client_id = format!("client_id = \"{CLIENT}\"\n");
    assert_eq!(read(&client_id).0.as_deref(), Some(CLIENT));
    for url in [
        "http://localhost:40342/",
        "http://169.254.130.2:8081/msi",
        "http://[fe80::1]/",
        "https://m/",
    ] {
        assert_eq!(read(&format!("endpoint_url = \"{url}\"\n")).1, url);
    }
}

#[test]
fn the_platform_names_the_token_file_where_the_configuration_does_not() {
    let read = |table: &str| {
        let mut given = given();
        given.variables.insert("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token");
        let config = parse("gateway.toml", &file(&[(CREDENTIAL, table)]), &given).unwrap();
        let Options::WorkloadIdentity { token_file, .. } = &config.organizations[0].credential
        else {
            panic!("another kind")
        };
        token_file.clone()
    };
    assert_eq!(read(&app("workload_identity", "")), PathBuf::from("/var/run/token"));
    let table = app("workload_identity", "token_file = \"/elsewhere\"\n");
    assert_eq!(read(&table), PathBuf::from("/elsewhere"));
}

#[test]
fn warns_about_values_that_may_be_a_mistake() {
    let secret_id = SECRET.replace("_SECRET\"", "_SECRET_ID\"");
    for (table, warning) in [
        (
            app("service_user", &format!("{SECRET}pat_lifetime = \"59s\"\n")),
            "12:16: pat_lifetime is less than 1m: Azure DevOps may refuse it, and where clocks \
             differ a PAT may expire before it is used\n  \
             help: write pat_lifetime = \"1m\" or more",
        ),
        (
            app("service_user", &format!("{SECRET}pat_use = \"window\"\nmint_ahead = true\n")),
            "13:14: mint_ahead has no effect with pat_use = \"window\"\n  \
             help: leave it out: one PAT per scope serves many calls",
        ),
        (
            app("service_principal", &secret_id),
            "11:17: client_secret: environment variable ENTRA_CLIENT_SECRET_ID looks like the id \
             of a client secret\n  help: set it to the value of a client secret: Entra admin \
             center → App registrations → the app → Certificates & secrets, column Value",
        ),
        (
            app("workload_identity", "token_file = \"token\"\n"),
            "11:14: token_file is a relative path: it is looked up in the working directory\n  \
             help: write the whole path, beginning with /",
        ),
    ] {
        let expected = [format!("gateway.toml:{warning}")];
        let warnings = warnings(&[(CREDENTIAL, &table)]);
        assert_eq!(warnings, expected);
        assert!(!warnings[0].contains(CLIENT_SECRET_ID), "the warning quotes the secret");
    }
}

/// Entra works with Azure DevOps Services, and with the fakes on this machine.
#[test]
fn azure_devops_server_supports_pats_only() {
    let entra = app("service_user", SECRET);
    let at = |url: &str| format!("{ORGANIZATION}azure_devops_url = \"{url}\"\n");
    for url in [
        "https://dev.azure.com/fabrikam",
        "https://fabrikam.visualstudio.com",
        "http://127.0.0.1:7070/fabrikam",
    ] {
        accepted(&[(ORGANIZATION, &at(url)), (CREDENTIAL, &entra)]);
    }
    for host in ["ado.contoso.com/tfs/Main", "dev.azure.com.contoso.com/x", "visualstudio.com.x/y"]
    {
        let organization = at(&format!("https://{host}"));
        let text = file(&[(ORGANIZATION, &organization), (CREDENTIAL, &entra)]);
        assert_eq!(
            read(&text).unwrap_err().to_string(),
            "gateway.toml:9:8: kind \"service_user\" is for Azure DevOps Services\n  \
             help: Azure DevOps Server does not support Entra: use kind = \"pat\""
        );
        accepted(&[(ORGANIZATION, &organization)]);
    }
}
