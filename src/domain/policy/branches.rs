//! The branches that a policy applies to, and how the globs of a check are expressed by them.
//!
//! A policy can name branches and prefixes only. Where a glob is narrower than its prefix, the
//! policy is wider than the glob, and pull requests to the other branches get a status that says
//! not applicable. A glob that begins with a wildcard gets a policy on the default branch: with one
//! on every branch nobody could push to any. A policy is never narrower than the named part of a
//! glob.

use std::fmt;

const HEADS: &str = "refs/heads/";

/// See the module. Full ref names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branches {
    Exact(String),
    /// All whose names begin with this.
    Prefix(String),
    /// The default branch of the repository.
    Default,
    /// A kind of match that this version does not know.
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

    /// Whether they are the same; a slash at the end of a prefix does not matter.
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
        self.is_same(&Branches::all())
    }

    /// All branches of a repository.
    pub(super) fn all() -> Self {
        Branches::Prefix(HEADS.to_owned())
    }
}

impl fmt::Display for Branches {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Branches::Exact(name) => out.write_str(short(name)),
            _ if self.are_all() => out.write_str("all branches"),
            Branches::Prefix(begin) => write!(out, "{}*", short(begin)),
            Branches::Default => out.write_str("the default branch"),
            Branches::Unknown(kind) => write!(out, "branches by {kind}"),
        }
    }
}

/// Characters of a glob that are no part of a name.
const SPECIAL: [char; 5] = ['*', '?', '[', '{', '\\'];

/// Globs that mean every branch.
const EVERY: [&str; 3] = ["*", "**", "**/*"];

/// The branches of these globs, sorted; those that another one covers are left out. `default` is
/// the full name of the default branch, which stands for every glob that begins with a wildcard;
/// where there is none, such a glob adds no branch.
pub fn branches(globs: &[String], default: Option<&str>) -> Vec<Branches> {
    let branches = |glob: &String| match named(glob) {
        None => default.map(|name| Branches::Exact(name.to_owned())),
        named => named,
    };
    let mut all: Vec<Branches> = globs.iter().filter_map(branches).collect();
    all.sort();
    all.dedup();
    let is_covered = |one: &Branches| all.iter().any(|other| other != one && other.cover(one));
    all.iter().filter(|one| !is_covered(one)).cloned().collect()
}

/// The branches that a glob names; none where it begins with a wildcard.
fn named(glob: &str) -> Option<Branches> {
    let glob = short(glob);
    match glob.find(SPECIAL) {
        Some(0) => None,
        Some(at) => {
            Some(Branches::Prefix(format!("{HEADS}{}", glob.get(..at).unwrap_or_default())))
        }
        None => Some(Branches::Exact(format!("{HEADS}{glob}"))),
    }
}

/// Whether one of these globs gets a policy on the default branch.
pub(super) fn need_default(globs: &[String]) -> bool {
    globs.iter().any(|glob| named(glob).is_none())
}

/// The globs that mean some branches and begin with a wildcard: no policy can express them.
pub(super) fn vague(globs: &[String]) -> Vec<&str> {
    let is_vague = |glob: &&str| named(glob).is_none() && !EVERY.contains(&short(glob));
    globs.iter().map(String::as_str).filter(is_vague).collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix(HEADS).unwrap_or(name)
}
