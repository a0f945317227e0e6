//! Which branches a policy is about, and how the globs of a check become that.
//!
//! A policy knows names and beginnings of names only. Where a glob says more, the policy is wider,
//! and the pull requests between the two are told that the check is not applicable. It must never
//! be narrower than the globs.

use std::fmt;

const HEADS: &str = "refs/heads/";

/// See the module. Full ref names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branches {
    Exact(String),
    /// All that begin so.
    Prefix(String),
    /// The default branch of the repository, whichever that is.
    Default,
    /// Of a kind that this version does not know.
    Unknown(String),
}

impl Branches {
    /// Whether every branch of `other` is one of these.
    pub fn cover(&self, other: &Branches) -> bool {
        match (self, other) {
            (Branches::Prefix(begin), Branches::Exact(name) | Branches::Prefix(name)) => {
                name.starts_with(begin)
            }
            _ => self.is_same(other),
        }
    }

    /// Whether they may have a branch in common.
    pub fn may_meet(&self, other: &Branches) -> bool {
        let is_known = |one: &Branches| matches!(one, Branches::Exact(_) | Branches::Prefix(_));
        !is_known(self) || !is_known(other) || self.cover(other) || other.cover(self)
    }

    /// Whether they are the same, however the end of a folder is written.
    pub fn is_same(&self, other: &Branches) -> bool {
        match (self, other) {
            (Branches::Prefix(one), Branches::Prefix(other)) => {
                one.trim_end_matches('/') == other.trim_end_matches('/')
            }
            _ => self == other,
        }
    }

    /// Whether these are all branches of a repository.
    pub fn are_all(&self) -> bool {
        self.is_same(&Branches::Prefix(HEADS.to_owned()))
    }
}

impl fmt::Display for Branches {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |name: &str| name.strip_prefix(HEADS).unwrap_or(name).to_owned();
        match self {
            Branches::Exact(name) => out.write_str(&short(name)),
            _ if self.are_all() => out.write_str("all branches"),
            Branches::Prefix(begin) => write!(out, "{}*", short(begin)),
            Branches::Default => out.write_str("the default branch"),
            Branches::Unknown(kind) => write!(out, "branches by {kind}"),
        }
    }
}

/// What a glob may begin with that is not meant literally.
const SPECIAL: [char; 5] = ['*', '?', '[', '{', '\\'];

/// The branches of these globs, as few as possible: what lies within another one is left out.
/// Sorted.
pub fn branches(globs: &[String]) -> Vec<Branches> {
    let branches = |glob: &String| {
        let glob = glob.strip_prefix(HEADS).unwrap_or(glob);
        match glob.find(SPECIAL) {
            Some(at) => Branches::Prefix(format!("{HEADS}{}", glob.get(..at).unwrap_or_default())),
            None => Branches::Exact(format!("{HEADS}{glob}")),
        }
    };
    let mut all: Vec<Branches> = globs.iter().map(branches).collect();
    all.sort();
    all.dedup();
    let lies_within = |one: &Branches| all.iter().any(|other| other != one && other.cover(one));
    all.iter().filter(|one| !lies_within(one)).cloned().collect()
}
