//! Which pull request `explain --against` means: an address of Azure DevOps, or
//! `ORGANIZATION/PROJECT/REPOSITORY/ID`.

use url::Url;

use crate::ado;
use crate::domain::address::{Address, Subject, parse};

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Against {
    pub(super) organization: String,
    pub(super) project: String,
    pub(super) repository: String,
    pub(super) id: u32,
}

const FORMS: &str = "give the address of a pull request, or ORGANIZATION/PROJECT/REPOSITORY/ID";

impl Against {
    /// Reads `text`. The `configured` organizations say where an Azure DevOps Server is.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn parse(text: &str, configured: &[&ado::Options]) -> Result<Self, String> {
        if text.contains("://") {
            let url = Url::parse(text).map_err(|error| format!("{text}: {error}; {FORMS}"))?;
            return of_url(&url, configured).ok_or_else(|| format!("{text}: {FORMS}"));
        }
        let parts: Vec<&str> = text.split('/').collect();
        let (&[organization, project, repository, id], false) =
            (parts.as_slice(), parts.iter().any(|part| part.is_empty()))
        else {
            return Err(format!("{text:?}: {FORMS}"));
        };
        Ok(Self {
            organization: organization.to_owned(),
            project: project.to_owned(),
            repository: repository.to_owned(),
            id: id.parse().map_err(|_| format!("{id:?} is no number of a pull request"))?,
        })
    }

    /// The path of the question to the gateway.
    pub(super) fn path(&self) -> String {
        let Self { organization, project, repository, id } = self;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("project", project).append_pair("repository", repository);
        query.append_pair("pull_request", &id.to_string());
        format!("/v1/organizations/{organization}/explain?{}", query.finish())
    }
}

fn of_url(url: &Url, configured: &[&ado::Options]) -> Option<Against> {
    let configured: Vec<_> =
        configured.iter().map(|one| (one.name.as_str(), &one.azure_devops_url)).collect();
    let Address { organization, project, repository, subject } = parse(url, &configured)?;
    let Subject::PullRequest(id) = subject else { return None };
    Some(Against { organization, project, repository, id: id.try_into().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ado::Options {
        let url = Url::parse("https://tfs.example.com/tfs/Main").unwrap();
        ado::Options { name: "main".into(), identity_url: url.clone(), azure_devops_url: url }
    }

    #[test]
    fn a_pull_request_is_named_by_its_address_or_by_its_names() {
        let expected = |organization: &str, project: &str| Against {
            organization: organization.into(),
            project: project.into(),
            repository: "web".into(),
            id: 7,
        };
        let table = [
            ("fabrikam/Web Shop/web/7", expected("fabrikam", "Web Shop")),
            (
                "https://dev.azure.com/fabrikam/Web%20Shop/_git/web/pullrequest/7",
                expected("fabrikam", "Web Shop"),
            ),
            (
                "https://dev.azure.com/fabrikam/_git/web/pullRequest/7?_a=files",
                expected("fabrikam", "web"),
            ),
            (
                "https://fabrikam.visualstudio.com/DefaultCollection/Shop/_git/web/pullrequest/7",
                expected("fabrikam", "Shop"),
            ),
            (
                "https://tfs.example.com/tfs/main/Shop/_git/web/pullrequest/7",
                expected("main", "Shop"),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(Against::parse(text, &[&server()]), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_both_forms() {
        for text in [
            "7",
            "fabrikam/Shop/web",
            "fabrikam//web/7",
            "fabrikam/Shop/web/seven",
            "https://dev.azure.com/fabrikam/Shop/_git/web",
            "https://dev.azure.com/fabrikam/Shop/_git/web/pullrequest/",
            "https://dev.azure.com/fabrikam/a/b/_git/web/pullrequest/7",
        ] {
            let refused = Against::parse(text, &[&server()]);
            assert!(refused.is_err(), "{text}: {refused:?}");
        }
    }

    #[test]
    fn names_are_encoded_in_the_question() {
        let against = Against::parse("fabrikam/Web Shop & Co/web/7", &[]).unwrap();
        assert_eq!(
            against.path(),
            "/v1/organizations/fabrikam/explain?project=Web+Shop+%26+Co&repository=web\
             &pull_request=7"
        );
    }
}
