//! Identities without a secret in the configuration: the platform that the gateway runs on issues
//! their tokens.
//!
//! The platform is not called here, so that check-config works on any machine.

use std::path::PathBuf;

use url::Url;

use crate::config::address;
use crate::config::section::Section;
use crate::config::value::Value;
use crate::credentials::Options;

use super::app;

/// The metadata service of virtual machines in Azure.
const ENDPOINT: &str = "http://169.254.169.254";
/// Set by the workload identity webhook of Kubernetes.
const TOKEN_FILE_VARIABLE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const TOKEN_FILE: &str = "\"/var/run/secrets/azure/tokens/azure-identity-token\"";

/// `kind = "managed_identity"`.
pub(super) fn managed_identity(section: &mut Section<'_>) -> Option<Options> {
    let client_id = app::optional_client_id(section);
    let endpoint_url = match section.value("endpoint_url", "\"http://169.254.169.254\"") {
        Some(value) => address::metadata(&value),
        None => Url::parse(ENDPOINT).ok(),
    };
    Some(Options::ManagedIdentity { client_id: client_id?, endpoint_url: endpoint_url? })
}

/// `kind = "workload_identity"`.
pub(super) fn workload_identity(section: &mut Section<'_>) -> Option<Options> {
    let app = app::read(section);
    let token_file = match section.value("token_file", TOKEN_FILE) {
        Some(value) => token_file(&value),
        None => token_file_from_platform(section),
    };
    Some(Options::WorkloadIdentity { app: app?, token_file: token_file? })
}

fn token_file(value: &Value<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(value.text_of(1, 4096)?);
    if !path.is_absolute() {
        let what = "token_file is a relative path: it is looked up in the working directory";
        value.reader.warn(value.offset, what, "write the whole path, beginning with /");
    }
    Some(path)
}

fn token_file_from_platform(section: &Section<'_>) -> Option<PathBuf> {
    let variable = section.reader.environment.variable(TOKEN_FILE_VARIABLE);
    let path = variable.filter(|path| !path.is_empty());
    if path.is_none() {
        let help = format!("add token_file = {TOKEN_FILE}, or set {TOKEN_FILE_VARIABLE}");
        section.refuse_missing("token_file", help);
    }
    path.map(PathBuf::from)
}
