//! Addresses of pull requests, commits and branches, as Azure DevOps writes them. The pages of the
//! gateway have the same below `/ui`, so that an address leads there when its host is replaced.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;
use url::form_urlencoded;

use super::run_keys::{pull_request_subject, ref_subject};

/// Everything else is encoded in a segment of a path.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What of a repository is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    PullRequest(i64),
    Commit(String),
    /// Its full name, such as `refs/heads/main`.
    Ref(String),
    /// Nothing of it, but all.
    Repository,
}

/// Names or GUIDs of organization, project and repository, and what of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub organization: String,
    pub project: String,
    pub repository: String,
    pub subject: Subject,
}

impl Subject {
    /// The subject of its runs, in the repository with this id.
    pub fn of_runs(&self, repository: &str) -> Option<String> {
        match self {
            Self::PullRequest(id) => Some(pull_request_subject(repository, *id)),
            Self::Ref(name) => Some(ref_subject(repository, name)),
            Self::Commit(_) | Self::Repository => None,
        }
    }

    /// What the `version` of an address names: `GBmain`, `GTv1`, `GC0a1b…`.
    pub fn of_version(version: &str) -> Option<Self> {
        let (kind, name) = version.split_at_checked(2)?;
        match kind {
            _ if name.is_empty() => None,
            "GB" => Some(Self::Ref(format!("refs/heads/{name}"))),
            "GT" => Some(Self::Ref(format!("refs/tags/{name}"))),
            "GC" => Some(Self::Commit(name.to_lowercase())),
            _ => None,
        }
    }

    /// The address below that of the organization: `/Shop/_git/web/pullrequest/7`.
    pub fn path(&self, project: &str, repository: &str) -> String {
        let encoded = |segment| utf8_percent_encode(segment, &PLAIN);
        let repository = format!("/{}/_git/{}", encoded(project), encoded(repository));
        let version = |version: &str| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let query = query.append_pair("version", version).finish();
            format!("{repository}?{query}")
        };
        match self {
            Self::PullRequest(id) => format!("{repository}/pullrequest/{id}"),
            Self::Commit(commit) => format!("{repository}/commit/{}", encoded(commit)),
            Self::Ref(name) => match name.strip_prefix("refs/tags/") {
                Some(tag) => version(&format!("GT{tag}")),
                None => version(&format!("GB{}", name.strip_prefix("refs/heads/").unwrap_or(name))),
            },
            Self::Repository => repository,
        }
    }
}

/// Whether this is the whole id of a commit.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A name as a segment of a path.
pub fn segment(name: &str) -> String {
    utf8_percent_encode(name, &PLAIN).to_string()
}

/// Reads `…/PROJECT/_git/REPOSITORY/…`, where a project that has the name of its repository may be
/// left out. The `configured` organizations, with their addresses, say where an Azure DevOps Server
/// is.
pub fn parse(url: &Url, configured: &[(&str, &Url)]) -> Option<Address> {
    let all = segments(url)?;
    let at = all.iter().position(|segment| segment == "_git")?;
    let (before, after) = (all.get(..at)?, all.get(at + 1..)?);
    let (repository, rest) = after.split_first()?;
    let (organization, project) = organization(url, before, configured)?;
    let project = match project {
        [] => repository.clone(),
        [project] => project.clone(),
        _ => return None,
    };
    let subject = subject(url, rest)?;
    Some(Address { organization, project, repository: repository.clone(), subject })
}

fn subject(url: &Url, rest: &[String]) -> Option<Subject> {
    let is = |word: &String, expected: &str| word.eq_ignore_ascii_case(expected);
    match rest {
        [word, id, ..] if is(word, "pullrequest") => id.parse().ok().map(Subject::PullRequest),
        [word, id, ..] if is(word, "commit") => Some(Subject::Commit(id.to_lowercase())),
        [] => {
            let version = url.query_pairs().find(|(name, _)| name == "version");
            match version {
                Some((_, version)) => Subject::of_version(&version),
                None => Some(Subject::Repository),
            }
        }
        _ => None,
    }
}

/// The organization of an address, and what of its path follows.
fn organization<'p>(
    url: &Url,
    path: &'p [String],
    configured: &[(&str, &Url)],
) -> Option<(String, &'p [String])> {
    let of_base = |(name, base): &(&str, &Url)| {
        let of_organization = segments(base)?;
        let is_same = base.host() == url.host()
            && base.port_or_known_default() == url.port_or_known_default();
        let begins = path.get(..of_organization.len())?;
        let is_it = begins.iter().zip(&of_organization).all(|(a, b)| a.eq_ignore_ascii_case(b));
        let rest = path.get(of_organization.len()..)?;
        (is_same && is_it).then(|| ((*name).to_owned(), rest))
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

    fn parsed(text: &str) -> Option<Address> {
        let server = Url::parse("https://tfs.example.com/tfs/Main").unwrap();
        parse(&Url::parse(text).unwrap(), &[("main", &server)])
    }

    #[test]
    fn addresses_of_azure_devops_are_read() {
        let address = |organization: &str, project: &str, subject| Address {
            organization: organization.into(),
            project: project.into(),
            repository: "web".into(),
            subject,
        };
        let commit = "0A1B".to_owned() + &"c".repeat(36);
        for (text, expected) in [
            (
                "https://dev.azure.com/fabrikam/Web%20Shop/_git/web/pullrequest/7?_a=files",
                address("fabrikam", "Web Shop", Subject::PullRequest(7)),
            ),
            (
                "https://dev.azure.com/fabrikam/_git/web/pullRequest/7",
                address("fabrikam", "web", Subject::PullRequest(7)),
            ),
            (
                "https://fabrikam.visualstudio.com/DefaultCollection/Shop/_git/web",
                address("fabrikam", "Shop", Subject::Repository),
            ),
            (
                &format!(
                    "https://tfs.example.com/tfs/main/Shop/_git/web/commit/{commit}?refName=x"
                ),
                address("main", "Shop", Subject::Commit(commit.to_lowercase())),
            ),
            (
                "https://dev.azure.com/fabrikam/Shop/_git/web?path=/a&version=GBfeature%2Fa%20b",
                address("fabrikam", "Shop", Subject::Ref("refs/heads/feature/a b".into())),
            ),
            (
                "https://dev.azure.com/fabrikam/Shop/_git/web?version=GTv1",
                address("fabrikam", "Shop", Subject::Ref("refs/tags/v1".into())),
            ),
        ] {
            assert_eq!(parsed(text), Some(expected), "{text}");
        }
        for text in [
            "https://dev.azure.com/fabrikam/Shop/web/7",
            "https://dev.azure.com/fabrikam/Shop/_git",
            "https://dev.azure.com/fabrikam/a/b/_git/web",
            "https://dev.azure.com/fabrikam/Shop/_git/web/pullrequest/",
            "https://dev.azure.com/fabrikam/Shop/_git/web/pullrequest/x",
            "https://dev.azure.com/fabrikam/Shop/_git/web/branches",
            "https://dev.azure.com/fabrikam/Shop/_git/web?version=G",
            "https://dev.azure.com/fabrikam/Shop/_git/web?version=\u{e9}\u{e9}",
            "javascript:alert(1)",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for subject in [
            Subject::PullRequest(7),
            Subject::Commit("c".repeat(40)),
            Subject::Ref("refs/heads/a b/\u{fc}&c=<d>?#%".into()),
            Subject::Ref("refs/tags/v+1".into()),
            Subject::Repository,
        ] {
            let path = subject.path("Web/Shop?", "w#b &");
            let address = parsed(&format!("https://dev.azure.com/fabrikam{path}")).unwrap();
            let found = (address.project.as_str(), address.repository.as_str(), &address.subject);
            assert_eq!(found, ("Web/Shop?", "w#b &", &subject), "{path}");
            assert!(!path.contains(['<', '"', ' ']), "{path}");
        }
    }
}
