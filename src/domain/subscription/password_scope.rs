//! What deliveries with the password of a hook may be about. A hook speaks for its scope only:
//! whoever has its password could otherwise forge events of every project.

use super::super::event::Repository;
use super::super::fact::Fact;
use super::hook_scope::{HookScope, Topic};
use super::name::HookName;

/// Between the name and the project of a hook that was made by hand for one project. It is not
/// allowed in the names themselves.
const SEPARATOR: char = '@';

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordScope {
    /// Made by hand for every project of the organization.
    AnyProject,
    /// Made by hand for one project: its name or its GUID, lower case.
    Project(String),
    /// Created by the gateway for one project and one kind of event.
    Hook(HookScope),
}

/// What Azure DevOps says about the repository and the project that a delivery names. A delivery
/// itself proves neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownProject {
    /// GUID of the project that the repository belongs to; none where the repository was never
    /// listed.
    pub of_repository: Option<String>,
    /// Name of the project with the GUID that the delivery names; none where it was never listed.
    pub name: Option<String>,
    /// GUID of the project that is listed under the name that the delivery gives its project.
    pub of_name: Option<String>,
}

/// The name under which the deliveries to a hook that was made by hand for one project are stored.
pub fn hook_of_project(name: &str, project: &str) -> String {
    format!("{name}{SEPARATOR}{}", project.to_lowercase())
}

/// The name in the URL of the hook that a delivery is stored with.
pub fn name_in_url(hook: &str) -> &str {
    hook.split_once(SEPARATOR).map_or(hook, |(name, _)| name)
}

/// Whether a hook may have this name in its URL: no other one can look like a hook of one project.
pub fn is_hook_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(SEPARATOR)
}

impl PasswordScope {
    /// The scope of the hook that a delivery is stored with.
    pub fn of(hook: &str) -> Self {
        if let Some((_, project)) = hook.split_once(SEPARATOR) {
            return Self::Project(project.to_owned());
        }
        HookName::parse(hook).map_or(Self::AnyProject, |name| Self::Hook(name.hook_scope))
    }

    /// Part of the key under which a delivery is stored once. Empty for every project.
    pub fn key(&self) -> String {
        match self {
            Self::AnyProject => String::new(),
            Self::Project(project) => project.clone(),
            Self::Hook(HookScope { project_id, topic }) => format!("{topic}-{project_id}"),
        }
    }

    /// Whether a delivery with this scope may stand for one of the same event with another scope:
    /// where it would be refused, the other one has to be decided.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AnyProject, _) => true,
            (Self::Project(project), Self::Hook(HookScope { project_id, .. })) => {
                project == project_id
            }
            _ => self == other,
        }
    }

    /// Why a delivery is outside of the scope; none where it is within. `topic` is the kind of
    /// event that it claims to be, and `repository` what it is about; that of a build has no id,
    /// and only a project. What changes nothing anyway is not refused.
    pub fn refusal(
        &self,
        topic: Option<Topic>,
        fact: &Fact,
        repository: Option<&Repository>,
        known: &KnownProject,
    ) -> Option<String> {
        if *self == Self::AnyProject || matches!(fact, Fact::Test | Fact::Unreadable(_)) {
            return None;
        }
        if let Self::Hook(HookScope { topic: own, .. }) = self
            && topic != Some(*own)
        {
            return Some(format!("the hook delivers {own} and nothing else"));
        }
        let repository = repository?;
        let is_own = match self {
            Self::AnyProject => true,
            Self::Hook(HookScope { project_id, .. }) => repository.project_id == *project_id,
            Self::Project(project) => {
                repository.project_id == *project || repository.project.to_lowercase() == *project
            }
        };
        if !is_own {
            let project = &repository.project_id;
            return Some(format!("the hook is of another project than {project}"));
        }
        // By its GUID, a project could claim the name of another one, or one of its repositories.
        if let (Self::Project(project), Some(name)) = (self, &known.name)
            && repository.project_id != *project
            && name.to_lowercase() != *project
        {
            return Some(format!("project {} is not called {project}", repository.project_id));
        }
        // A project that was never listed could take the name of one that was.
        let takes = known.of_name.as_ref().filter(|id| **id != repository.project_id);
        if let (None, Some(id)) = (&known.name, takes) {
            let Repository { project_id, project, .. } = repository;
            return Some(format!("{project} is the name of project {id} and not of {project_id}"));
        }
        let of_other = known.of_repository.as_ref().filter(|id| **id != repository.project_id);
        of_other.map(|id| format!("repository {} belongs to project {id}", repository.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Event;
    use crate::domain::fact::CompletedBuild;

    const OWN: &str = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c";
    const OTHER: &str = "3e5d9a74-0c1b-4f62-a8d7-94b6e2f1c053";
    const FACT: Fact = Fact::Other(Event::RepositoryCreated);

    fn repository(project_id: &str, project: &str) -> Repository {
        Repository {
            id: "b90f6c2e-7d48-4a15-8c93-61e0d7a2f5b8".into(),
            name: "web".into(),
            project_id: project_id.into(),
            project: project.into(),
        }
    }

    fn hook(topic: Topic) -> PasswordScope {
        let hook_scope = HookScope { project_id: OWN.into(), topic };
        let (generation, tag) = (3, "0a1b2c3d".into());
        PasswordScope::of(&HookName { hook_scope, generation, tag }.to_string())
    }

    fn refusal(scope: &PasswordScope, repository: &Repository) -> Option<String> {
        scope.refusal(Some(Topic::Pushes), &FACT, Some(repository), &KnownProject::default())
    }

    #[test]
    fn a_hook_speaks_for_its_project_and_its_kind_of_event() {
        let scope = hook(Topic::Pushes);
        assert_eq!(scope.key(), format!("pushes-{OWN}"));
        assert_eq!(refusal(&scope, &repository(OWN, "Fabrikam")), None);
        let other = refusal(&scope, &repository(OTHER, "Fabrikam")).unwrap();
        assert!(other.contains(OTHER), "{other}");
        let other = refusal(&hook(Topic::Comments), &repository(OWN, "Fabrikam")).unwrap();
        assert!(other.contains("comments"), "{other}");
    }

    #[test]
    fn a_hook_about_builds_speaks_for_those_of_its_project() {
        let (id, project) = ("42".to_owned(), "Fabrikam".to_owned());
        let build = Fact::BuildCompleted(CompletedBuild { id, project_id: OWN.into(), project });
        let refusal = |project_id: &str, topic: Topic, known: &KnownProject| {
            let of_project = Repository { id: String::new(), ..repository(project_id, "Fabrikam") };
            let scope = hook(topic);
            scope.refusal(Some(Topic::BuildsCompleted), &build, Some(&of_project), known)
        };
        let unknown = KnownProject::default();
        assert_eq!(refusal(OWN, Topic::BuildsCompleted, &unknown), None);
        assert!(refusal(OTHER, Topic::BuildsCompleted, &unknown).is_some());
        assert!(refusal(OWN, Topic::Pushes, &unknown).unwrap().contains("pushes"));
        let known = KnownProject { of_name: Some(OTHER.into()), ..unknown };
        assert!(refusal(OWN, Topic::BuildsCompleted, &known).is_some(), "another one's name");
    }

    #[test]
    fn a_hook_made_by_hand_speaks_for_its_project_by_name_or_guid() {
        for project in ["Fabrikam", OWN] {
            let scope = PasswordScope::of(&hook_of_project("by-hand", project));
            assert_eq!(scope, PasswordScope::Project(project.to_lowercase()));
            assert_eq!(refusal(&scope, &repository(OWN, "fabrikam")), None, "{project}");
            assert!(refusal(&scope, &repository(OTHER, "Tools")).is_some(), "{project}");
        }
        let any = PasswordScope::of("by-hand");
        assert_eq!((&any, any.key().as_str()), (&PasswordScope::AnyProject, ""));
        assert_eq!(refusal(&any, &repository(OTHER, "Tools")), None);
    }

    #[test]
    fn a_name_or_a_repository_that_azure_devops_gives_to_another_project_is_refused() {
        let refusal = |scope: &PasswordScope, of_repository: Option<&str>, name: &str| {
            let of_repository = of_repository.map(Into::into);
            let name = Some(name.into());
            let known = KnownProject { of_repository, name, of_name: None };
            let claimed = repository(OWN, "Fabrikam");
            scope.refusal(Some(Topic::Pushes), &FACT, Some(&claimed), &known)
        };
        let named = PasswordScope::Project("fabrikam".into());
        assert!(refusal(&named, None, "Tools").is_some(), "the name is another project's");
        assert_eq!(refusal(&named, Some(OWN), "Fabrikam"), None);
        for scope in [named, hook(Topic::Pushes)] {
            assert!(refusal(&scope, Some(OTHER), "Fabrikam").is_some(), "{scope:?}");
        }
    }

    #[test]
    fn a_project_that_was_never_listed_cannot_take_the_name_of_one_that_was() {
        for scope in [hook(Topic::Pushes), PasswordScope::Project(OWN.into())] {
            let refusal = |of_name: Option<&str>| {
                let of_name = of_name.map(Into::into);
                let known = KnownProject { of_name, ..KnownProject::default() };
                let claimed = repository(OWN, "Tools");
                scope.refusal(Some(Topic::Pushes), &FACT, Some(&claimed), &known)
            };
            assert!(refusal(Some(OTHER)).is_some(), "{scope:?}");
            assert_eq!((refusal(Some(OWN)), refusal(None)), (None, None), "{scope:?}");
        }
    }

    #[test]
    fn a_delivery_stands_for_those_of_its_project_only() {
        let by_hand = |project: &str| PasswordScope::of(&hook_of_project("by-hand", project));
        assert!(hook(Topic::Pushes).covers(&hook(Topic::Pushes)));
        assert!(!hook(Topic::Comments).covers(&hook(Topic::Pushes)), "it may not report a push");
        assert!(!hook(Topic::Pushes).covers(&by_hand(OWN)));
        assert!(by_hand(OWN).covers(&hook(Topic::Pushes)));
        assert!(!by_hand(OTHER).covers(&hook(Topic::Pushes)));
        assert!(PasswordScope::AnyProject.covers(&hook(Topic::Pushes)));
        assert!(!hook(Topic::Pushes).covers(&PasswordScope::AnyProject));
    }

    #[test]
    fn a_name_with_the_separator_is_no_name_of_a_hook() {
        assert!(is_hook_name("by-hand"));
        assert_eq!(name_in_url(&hook_of_project("by-hand", "Fabrikam")), "by-hand");
        for name in ["", "by-hand@fabrikam", "@"] {
            assert!(!is_hook_name(name), "{name}");
        }
    }
}
