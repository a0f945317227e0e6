//! The present and the former names of a repository: checks name repositories, and an operator may
//! still use a former name.

use super::event::Repository;

/// Names as `project/repository`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub present: String,
    /// Oldest first, without the present one.
    pub former: Vec<String>,
}

/// `project/repository`.
pub fn full_name(repository: &Repository) -> String {
    format!("{}/{}", repository.project, repository.name)
}

/// A full name with this project instead of its own.
pub fn in_project(project: &str, full_name: &str) -> String {
    let name = full_name.split_once('/').map_or(full_name, |(_, name)| name);
    format!("{project}/{name}")
}

/// The former names of a repository that is called like `repository` now.
pub fn former(known: Option<Names>, repository: &Repository) -> Vec<String> {
    let Some(Names { present, mut former }) = known else { return Vec::new() };
    if present != full_name(repository) {
        former.push(present);
    }
    former
}

/// The names to store after a delivery or a list named the repository; none where nothing changes.
/// `before` is its former name, where a rename names it.
pub fn after_seen(
    known: Option<Names>,
    repository: &Repository,
    before: Option<&str>,
) -> Option<Names> {
    if repository.id.is_empty() || repository.name.is_empty() {
        return None;
    }
    let present = full_name(repository);
    let former = match known {
        Some(names) if names.present == present => return None,
        Some(Names { present: before, mut former }) => {
            former.retain(|name| *name != before && *name != present);
            former.push(before);
            former
        }
        None => before.map(str::to_owned).into_iter().collect(),
    };
    Some(Names { present, former })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(name: &str) -> Repository {
        Repository {
            id: "b90f6c2e-7d48-4a15-8c93-61e0d7a2f5b8".into(),
            name: name.into(),
            project_id: "3e5d9a74-0c1b-4f62-a8d7-94b6e2f1c053".into(),
            project: "Fabrikam".into(),
        }
    }

    fn names(present: &str, former: &[&str]) -> Names {
        let full = |name: &str| format!("Fabrikam/{name}");
        let former = former.iter().map(|name| full(name)).collect();
        Names { present: full(present), former }
    }

    #[test]
    fn a_name_is_put_into_a_project() {
        assert_eq!(in_project("Tools", "Fabrikam/web"), "Tools/web");
    }

    #[test]
    fn a_rename_makes_the_present_name_a_former_one() {
        let seen = after_seen(Some(names("web", &["site"])), &repository("shop"), None);
        assert_eq!(seen, Some(names("shop", &["site", "web"])));
    }

    #[test]
    fn a_name_that_comes_back_is_no_former_name() {
        let seen = after_seen(Some(names("shop", &["web", "site"])), &repository("web"), None);
        assert_eq!(seen, Some(names("web", &["site", "shop"])));
    }

    #[test]
    fn the_first_sight_keeps_the_name_that_the_rename_told() {
        let seen = after_seen(None, &repository("shop"), Some("Fabrikam/web"));
        assert_eq!(seen, Some(names("shop", &["web"])));
        assert_eq!(after_seen(None, &repository("shop"), None), Some(names("shop", &[])));
    }

    #[test]
    fn nothing_changes_where_the_name_is_known_or_missing() {
        let known = || Some(names("web", &["site"]));
        assert_eq!(after_seen(known(), &repository("web"), Some("Fabrikam/old")), None);
        assert_eq!(after_seen(known(), &repository(""), None), None);
        let nameless = Repository { id: String::new(), ..repository("web") };
        assert_eq!(after_seen(None, &nameless, None), None);
    }

    #[test]
    fn a_delivery_under_a_new_name_counts_the_stored_name_as_former() {
        assert_eq!(former(None, &repository("web")), Vec::<String>::new());
        let known = || Some(names("web", &["site"]));
        assert_eq!(former(known(), &repository("web")), ["Fabrikam/site"]);
        assert_eq!(former(known(), &repository("shop")), ["Fabrikam/site", "Fabrikam/web"]);
    }
}
