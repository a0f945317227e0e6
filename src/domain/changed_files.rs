//! The files that a pull request or a push changes, and whether the `paths` and `paths_ignore` of a
//! check match them.
//!
//! No delivery names its files, so Azure DevOps is asked to compare two commits. Where the files
//! are not known the check runs: a run too many costs less than code that nobody has checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::{Check, Patterns};
use super::event::Repository;

/// Which two commits are compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Comparison {
    /// The ids of the project and of the repository.
    pub project: String,
    pub repository: String,
    pub base: Base,
    /// A commit.
    pub head: String,
    /// Compare with the merge base of the two, not with the base itself.
    pub from_merge_base: bool,
}

/// What is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    Commit(String),
    /// The head that the branch has when it is asked for; without `refs/heads/`.
    Branch(String),
}

impl Comparison {
    /// Compares a commit of `repository` with another one.
    pub fn new(repository: &Repository, base: Base, head: &str, from_merge_base: bool) -> Self {
        Self {
            project: repository.project_id.clone(),
            repository: repository.id.clone(),
            base,
            head: head.to_owned(),
            from_merge_base,
        }
    }
}

/// The files that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedFiles {
    /// Their paths without a leading `/`, sorted; a file that was renamed has both.
    Known(Arc<[String]>),
    /// Why they are not known: a clause.
    Unknown(String),
}

impl ChangedFiles {
    /// The files of these paths. An empty list is none that a check may be skipped for.
    pub fn of(paths: impl IntoIterator<Item = String>) -> Self {
        let stripped = |path: String| path.strip_prefix('/').map_or(path.clone(), str::to_owned);
        let paths: BTreeSet<String> = paths.into_iter().map(stripped).collect();
        if paths.is_empty() {
            return Self::Unknown("Azure DevOps lists no changed file".into());
        }
        Self::Known(paths.into_iter().collect())
    }

    /// Why they are not known: a clause.
    pub fn unknown(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }

    /// Why the rules about paths keep `check` from running on these files: a clause. None where
    /// any file matches one of `paths`, if there are any, and none of `paths_ignore`; and where the
    /// files are not known.
    pub fn mismatch(&self, check: &Check) -> Option<String> {
        let Self::Known(files) = self else { return None };
        let Check { paths, paths_ignore, .. } = check;
        let is_any = |patterns: &Patterns| !patterns.texts().is_empty();
        let matches =
            |file: &String| (!is_any(paths) || paths.matches(file)) && !paths_ignore.matches(file);
        if files.iter().any(matches) {
            return None;
        }
        let (wanted, ignored) = (paths.listed(), paths_ignore.listed());
        Some(match (files.len(), is_any(paths), is_any(paths_ignore)) {
            (1, false, _) => format!("its only changed file matches paths_ignore [{ignored}]"),
            (count, false, _) => {
                format!("each of its {count} changed files matches paths_ignore [{ignored}]")
            }
            (1, true, false) => format!("its only changed file does not match paths [{wanted}]"),
            (count, true, false) => {
                format!("none of its {count} changed files matches paths [{wanted}]")
            }
            (count, true, true) => format!(
                "none of its {count} changed files matches paths [{wanted}] and is not in \
                 paths_ignore [{ignored}]"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::{check, texts};
    use super::*;

    fn with(paths: &[&str], ignored: &[&str]) -> Check {
        let of = |patterns: &[&str]| Patterns::of_paths(&texts(patterns)).unwrap();
        Check { paths: of(paths), paths_ignore: of(ignored), ..check() }
    }

    fn files(paths: &[&str]) -> ChangedFiles {
        ChangedFiles::of(texts(paths))
    }

    #[test]
    fn a_check_runs_where_any_changed_file_matches() {
        type Texts = &'static [&'static str];
        let table: [(Texts, Texts, Texts, bool); 14] = [
            (&[], &[], &["/a.txt"], true),
            (&["src/**"], &[], &["/src/a.rs"], true),
            (&["src/**"], &[], &["/src/deep/a.rs", "/docs/a.md"], true),
            (&["src/**"], &[], &["/docs/a.md"], false),
            (&["/src/**"], &[], &["/src/a.rs"], true),
            (&["src/*"], &[], &["/src/deep/a.rs"], false),
            (&["*.md"], &[], &["/docs/a.md"], false),
            (&["**/*.md"], &[], &["/docs/a.md"], true),
            (&["**/*.md"], &[], &["/a.md"], true),
            (&["src/**"], &[], &["/SRC/a.rs"], false),
            (&[], &["docs/**"], &["/docs/a.md"], false),
            (&[], &["docs/**"], &["/docs/a.md", "/b.rs"], true),
            (&["src/**"], &["**/*.md"], &["/src/a.md", "/docs/a.rs"], false),
            (&["src/**"], &["**/*.md"], &["/src/a.md", "/src/a.rs"], true),
        ];
        for (paths, ignored, changed, runs) in table {
            let why = files(changed).mismatch(&with(paths, ignored));
            assert_eq!(why.is_none(), runs, "{paths:?} {ignored:?} {changed:?}: {why:?}");
        }
    }

    #[test]
    fn the_reason_names_the_rules_and_how_many_files_there_are() {
        let three = files(&["a", "b", "c"]);
        let table = [
            (with(&["src/**"], &[]), &three, "none of its 3 changed files matches paths [src/**]"),
            (with(&[], &["*"]), &three, "each of its 3 changed files matches paths_ignore [*]"),
            (
                with(&["a"], &["a", "x"]),
                &three,
                "none of its 3 changed files matches paths [a] and is not in paths_ignore [a, x]",
            ),
            (
                with(&["src/**"], &[]),
                &files(&["a"]),
                "its only changed file does not match paths [src/**]",
            ),
            (with(&[], &["*"]), &files(&["a"]), "its only changed file matches paths_ignore [*]"),
        ];
        for (check, files, expected) in table {
            assert_eq!(files.mismatch(&check).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_not_known_matches() {
        let unknown = ChangedFiles::Unknown("no answer in time".into());
        assert_eq!(unknown.mismatch(&with(&["src/**"], &[])), None);
        // An empty list would skip every check with paths.
        assert!(ChangedFiles::of([]).unknown().is_some());
    }
}
