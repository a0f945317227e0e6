//! Names of branches and tags, full and short, and the object id that means "no object".

/// The object id before a ref was created and after it was deleted (docs/azure-devops.md §2.4).
pub(crate) const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

/// Whether an object id means "no object".
pub(crate) fn is_no_object(id: &str) -> bool {
    id == NO_OBJECT
}

/// The full name of a ref; a name without `refs/` is that of a branch.
pub(crate) fn full_name(name: &str) -> String {
    if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") }
}

/// The short name of a branch; other refs keep their full name.
pub(crate) fn short_name(full: &str) -> &str {
    full.strip_prefix("refs/heads/").unwrap_or(full)
}
