//! Which pull request `explain --against` means: an address of Azure DevOps, or
//! `ORGANIZATION/PROJECT/REPOSITORY/ID`.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::ado;

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

/// `…/PROJECT/_git/REPOSITORY/pullrequest/ID`, where a project that has the name of its repository
/// may be left out.
fn of_url(url: &Url, configured: &[&ado::Options]) -> Option<Against> {
    let all = segments(url)?;
    let at = all.iter().position(|segment| segment == "_git")?;
    let (before, after) = (all.get(..at)?, all.get(at + 1..)?);
    let [repository, word, id, ..] = after else { return None };
    if !word.eq_ignore_ascii_case("pullrequest") {
        return None;
    }
    let (organization, rest) = organization(url, before, configured)?;
    let project = match rest {
        [] => repository.clone(),
        [project] => project.clone(),
        _ => return None,
    };
    Some(Against { organization, project, repository: repository.clone(), id: id.parse().ok()? })
}

/// The organization of an address, and what of its path follows.
fn organization<'p>(
    url: &Url,
    path: &'p [String],
    configured: &[&ado::Options],
) -> Option<(String, &'p [String])> {
    let of_base = |options: &&ado::Options| {
        let base = &options.azure_devops_url;
        let of_organization = segments(base)?;
        let is_same = base.host() == url.host()
            && base.port_or_known_default() == url.port_or_known_default();
        let begins = path.get(..of_organization.len())?;
        let is_it = begins.iter().zip(&of_organization).all(|(a, b)| a.eq_ignore_ascii_case(b));
        let rest = path.get(of_organization.len()..)?;
        (is_same && is_it).then(|| (options.name.clone(), rest))
    };
    if let Some(found) = configured.iter().find_map(of_base) {
        return Some(found);
    }
    match url.host_str()?.strip_suffix(".visualstudio.com") {
        Some(name) => {
            let is_default = |first: &String| first.eq_ignore_ascii_case("DefaultCollection");
            let skipped = usize::from(path.first().is_some_and(is_default));
            Some((name.to_owned(), path.get(skipped..)?))
        }
        None => path.split_first().map(|(first, rest)| (first.clone(), rest)),
    }
}

/// The segments of a path without percent-encoding.
fn segments(url: &Url) -> Option<Vec<String>> {
    let all = url.path_segments()?.filter(|segment| !segment.is_empty());
    let decoded = |segment| percent_decode_str(segment).decode_utf8().ok();
    all.map(|segment| decoded(segment).map(String::from)).collect()
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
