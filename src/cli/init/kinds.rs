//! What `init` asks about each kind of credential and of CI. A test compares the kinds with those
//! of the configuration.

/// One kind.
#[derive(Debug)]
pub(super) struct Kind {
    /// The word of `kind` in the configuration.
    pub(super) name: &'static str,
    /// One line that says what it is, shown where the kind is chosen.
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
    pub(super) secret: Option<SecretKey>,
}

/// A key whose value is asked for.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// A value that the configuration accepts.
    pub(super) example: &'static str,
    pub(super) form: Form,
}

/// How a value is written, and whether there has to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Number,
    /// Text; without it the key is left out.
    Optional,
    /// Like `Optional`, and only an option of the command line: it is not asked for.
    Unasked,
}

/// A key that refers to a secret.
#[derive(Debug)]
pub(super) struct SecretKey {
    pub(super) name: &'static str,
    /// The environment variable that holds it.
    pub(super) variable: &'static str,
    /// Where it comes from.
    pub(super) origin: Origin,
}

/// Where a secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `azdo-gateway keygen` makes it.
    Key,
    /// `azdo-gateway keygen --webhook` makes it.
    SigningSecret,
    /// A person has to bring it from here.
    Elsewhere(&'static str),
}

const TENANT: Key = Key {
    name: "tenant_id",
    about: "the tenant's id: Entra admin center → Overview",
    example: "00000000-0000-0000-0000-000000000000",
    form: Form::Text,
};
const CLIENT: Key = Key {
    name: "client_id",
    about: "the app's id: Entra admin center → App registrations → the app → Overview",
    example: "00000000-0000-0000-0000-000000000000",
    form: Form::Text,
};
const AUTHORITY: Key = Key {
    name: "authority_url",
    about: "where Entra is",
    example: "https://login.microsoftonline.com",
    form: Form::Unasked,
};
const CLIENT_SECRET: SecretKey = SecretKey {
    name: "client_secret",
    variable: "ENTRA_CLIENT_SECRET",
    origin: Origin::Elsewhere(
        "the Value of a client secret: Entra admin center → App registrations → the app → \
         Certificates & secrets",
    ),
};

/// `[organization.credential]`.
pub(super) const CREDENTIALS: [Kind; 5] = [
    Kind {
        name: "service_user",
        about: "an account of its own in Entra: a token for each call, revoked afterwards",
        keys: &[
            TENANT,
            CLIENT,
            AUTHORITY,
            Key {
                name: "expected_user",
                about: "the only account that may be linked, such as svc-ci@contoso.com",
                example: "svc-ci@contoso.com",
                form: Form::Optional,
            },
        ],
        secret: Some(CLIENT_SECRET),
    },
    Kind {
        name: "service_principal",
        about: "an app in Entra that is itself a member of the organization",
        keys: &[TENANT, CLIENT, AUTHORITY],
        secret: Some(CLIENT_SECRET),
    },
    Kind {
        name: "managed_identity",
        about: "the identity of the machine in Azure that the gateway runs on",
        keys: &[
            Key {
                name: "client_id",
                about: "the id of a user-assigned identity; nothing for the one of the machine",
                example: "00000000-0000-0000-0000-000000000000",
                form: Form::Optional,
            },
            Key {
                name: "endpoint_url",
                about: "the metadata service",
                example: "http://169.254.169.254",
                form: Form::Unasked,
            },
        ],
        secret: None,
    },
    Kind {
        name: "workload_identity",
        about: "an app in Entra that trusts the platform, such as Kubernetes",
        keys: &[
            TENANT,
            CLIENT,
            AUTHORITY,
            Key {
                name: "token_file",
                about: "the file into which the platform writes its token",
                example: "/var/run/secrets/azure/tokens/azure-identity-token",
                form: Form::Text,
            },
        ],
        secret: None,
    },
    Kind {
        name: "pat",
        about: "a personal access token made by hand: first trials, Azure DevOps Server",
        keys: &[],
        secret: Some(SecretKey {
            name: "token",
            variable: "AZDO_GATEWAY_PAT",
            origin: Origin::Elsewhere(
                "a personal access token with Code (read) and Code (status); for required checks \
                 with Code (read & write) instead of the first",
            ),
        }),
    },
];

const fn text(name: &'static str, example: &'static str, about: &'static str) -> Key {
    Key { name, about, example, form: Form::Text }
}

const fn number(name: &'static str, example: &'static str, about: &'static str) -> Key {
    Key { name, about, example, form: Form::Number }
}

const fn token(variable: &'static str, from: &'static str) -> Option<SecretKey> {
    Some(SecretKey { name: "token", variable, origin: Origin::Elsewhere(from) })
}

/// `[ci.builder]`.
pub(super) const CIS: [Kind; 9] = [
    Kind {
        name: "webhook",
        about: "a signed HTTP request starts a run, and the CI reports back",
        keys: &[text("url", "https://ci.example.com/start", "where the request goes")],
        secret: Some(SecretKey {
            name: "secret",
            variable: "BUILDER_SECRET",
            origin: Origin::SigningSecret,
        }),
    },
    Kind {
        name: "runner",
        about: "`azdo-gateway runner` on your machines fetches runs, and runs any command",
        keys: &[],
        secret: None,
    },
    Kind {
        name: "azure_pipelines",
        about: "Azure Pipelines of the same organization",
        keys: &[
            text("project", "MyProject", "the project of the pipeline"),
            number("pipeline", "12", "its id: what follows definitionId= in its address"),
        ],
        secret: None,
    },
    Kind {
        name: "dbt_cloud",
        about: "a job of dbt Cloud",
        keys: &[
            text("url", "https://ab123.us1.dbt.com", "Account settings → Access URL"),
            number("account", "70403", "the number of the account"),
            number("job", "67890", "the number of the job"),
        ],
        secret: token("DBT_TOKEN", "a service token with the permission set job_runner"),
    },
    Kind {
        name: "jenkins",
        about: "a job of Jenkins",
        keys: &[
            text("url", "https://jenkins.example.com/job/team/job/web", "the job's page"),
            text("user", "azdo-gateway", "the id of a user"),
        ],
        secret: token("JENKINS_TOKEN", "an API token of that user"),
    },
    Kind {
        name: "github_actions",
        about: "a workflow of GitHub Actions",
        keys: &[
            text("repository", "my-org/pipelines", "the repository of the workflow"),
            text("workflow", "build.yml", "the name of its file"),
            text("ref", "main", "the branch or tag whose workflow is run"),
        ],
        secret: token("GITHUB_TOKEN", "a fine-grained token with Actions: read and write"),
    },
    Kind {
        name: "gitlab",
        about: "a project of GitLab CI",
        keys: &[
            text("url", "https://gitlab.com", "the address of the instance"),
            text("project", "my-group/pipelines", "the path of the project"),
            text("ref", "main", "the branch or tag whose pipeline is run"),
        ],
        secret: token("GITLAB_TOKEN", "a project access token with the scope api"),
    },
    Kind {
        name: "buildkite",
        about: "a pipeline of Buildkite",
        keys: &[
            text("organization", "my-organization", "the slug of the organization"),
            text("pipeline", "my-pipeline", "the slug of the pipeline"),
        ],
        secret: token("BUILDKITE_TOKEN", "an API token with read_builds and write_builds"),
    },
    Kind {
        name: "http",
        about: "any other API: one call that starts a run, which you then complete",
        keys: &[text("url", "https://ci.example.com/api/runs", "the call that starts a run")],
        secret: token("CI_TOKEN", "a token of the CI, which is sent as bearer"),
    },
];

/// The kind of that name.
pub(super) fn find(kinds: &'static [Kind], name: &str) -> Option<&'static Kind> {
    kinds.iter().find(|kind| kind.name == name)
}

/// The names, for messages and for the command line.
pub(super) fn names(kinds: &'static [Kind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_kinds_are_those_of_the_configuration() {
        assert_eq!(names(&CREDENTIALS), config::credential_kinds());
        assert_eq!(names(&CIS), config::ci_kinds());
    }
}
