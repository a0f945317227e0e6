//! Permissions: what a set of checks needs, and the command that grants it.

use super::*;
use crate::domain::check::{self, Patterns};
use crate::domain::pipeline_project::PipelineProject;
use crate::domain::run::Targets;

fn check(name: &str, repositories: &str, targets: Targets, on: Trigger) -> Check {
    let any = || Patterns::of_branches(&["**".to_owned()]).unwrap();
    Check {
        name: name.into(),
        organization: "Fabrikam".into(),
        repositories: Patterns::of_names(&[repositories.to_owned()]).unwrap(),
        on: vec![on],
        target_branches: any(),
        branches: any(),
        targets,
        ..check::tests::check()
    }
}

fn repository(project: &str, name: &str) -> Repository {
    Repository {
        id: format!("id-of-{name}"),
        name: name.into(),
        project_id: format!("id-of-{project}"),
        project: project.into(),
    }
}

const PULL_REQUEST: Targets = Targets { pull_request: true, commit: false };
const COMMIT: Targets = Targets { pull_request: false, commit: true };
const BOTH: Targets = Targets { pull_request: true, commit: true };

fn names(needed: &[Needed]) -> Vec<String> {
    let scope = |one: &Needed| match &one.repository {
        Some(repository) => format!("{}/{repository}", one.project),
        None => one.project.clone(),
    };
    needed.iter().map(|one| format!("{} {}", scope(one), one.permission.name)).collect()
}

const OF_PROJECT: [&str; 3] =
    ["Web GENERIC_READ", "Web ViewSubscriptions", "Web EditSubscriptions"];

#[test]
fn only_permissions_that_a_check_uses_are_needed() {
    let here = [repository("Web", "shop"), repository("Ops", "tools")];
    for (targets, on, of_repository) in [
        (PULL_REQUEST, Trigger::PullRequest, vec!["GenericRead", "PullRequestContribute"]),
        (COMMIT, Trigger::Push, vec!["GenericRead", "GenericContribute"]),
        (BOTH, Trigger::Push, vec!["GenericRead", "GenericContribute"]),
        (
            BOTH,
            Trigger::PullRequest,
            vec!["GenericRead", "GenericContribute", "PullRequestContribute"],
        ),
    ] {
        let checks = [check("unit", "Web/*", targets, on)];
        let mut expected: Vec<String> = OF_PROJECT.map(str::to_owned).into();
        expected.extend(of_repository.iter().map(|name| format!("Web/shop {name}")));
        assert_eq!(names(&needed(&checks, "fabrikam", &here, &[], false)), expected);
    }
}

#[test]
fn a_required_check_needs_policies() {
    let check = Check { required: true, ..check("unit", "Web/*", COMMIT, Trigger::Push) };
    let found = names(&needed(&[check], "fabrikam", &[repository("Web", "shop")], &[], false));
    assert_eq!(found.last().map(String::as_str), Some("Web/shop EditPolicies"));
}

#[test]
fn each_watched_project_is_listed_once_and_others_are_not() {
    let here = [repository("Web", "b"), repository("Ops", "tools"), repository("Web", "a")];
    let one = check("unit", "Web/*", COMMIT, Trigger::Push);
    let two = check("lint", "Web/a", PULL_REQUEST, Trigger::PullRequest);
    let found = names(&needed(&[one, two], "fabrikam", &here, &[], false));
    let mut expected: Vec<String> = OF_PROJECT.map(str::to_owned).into();
    expected.extend(
        [
            "Web/a GenericRead",
            "Web/a GenericContribute",
            "Web/a PullRequestContribute",
            "Web/b GenericRead",
            "Web/b GenericContribute",
        ]
        .map(str::to_owned),
    );
    assert_eq!(found, expected);
    let elsewhere = check("unit", "**", BOTH, Trigger::Push);
    assert_eq!(needed(&[elsewhere], "contoso", &here, &[], false), []);
}

/// A check that runs in pipelines of a project of Fabrikam.
fn in_pipelines_of(project: &str) -> Check {
    let (organization, project) = ("fabrikam".to_owned(), project.to_owned());
    let pipeline_project = Some(PipelineProject { organization, project });
    Check { pipeline_project, ..check("unit", "Web/*", BOTH, Trigger::Push) }
}

#[test]
fn hooks_about_builds_need_permissions_in_the_project_of_the_pipeline() {
    let here = [repository("Web", "shop")];
    let project = |name: &str| Project {
        id: format!("id-of-{name}"),
        name: name.into(),
        repositories: vec![],
    };
    let seen = [project("Web"), project("Farm"), project("Other")];
    let alone = needed(&[in_pipelines_of("web")], "fabrikam", &here, &seen, false);
    assert_eq!(names(&alone).len(), 5, "what the check needs anyway: {:?}", names(&alone));
    let checks = [in_pipelines_of("farm"), in_pipelines_of("Hidden")];
    let found = names(&needed(&checks, "fabrikam", &here, &seen, false));
    let of_farm = OF_PROJECT.map(|one| one.replace("Web", "Farm"));
    assert_eq!(found[..3], of_farm, "{found:?}");
    assert_eq!(found[3..], names(&alone), "{found:?}");
    let unseen = unseen(&checks, "fabrikam", &seen);
    assert_eq!(names(&unseen), ["Hidden GENERIC_READ"]);
}

#[test]
fn a_permission_that_only_a_server_uses_is_optional() {
    let checks = [check("unit", "Web/*", COMMIT, Trigger::Push)];
    let found = needed(&checks, "fabrikam", &[repository("Web", "shop")], &[], true);
    let deletes: Vec<&Needed> =
        found.iter().filter(|one| one.permission.name == "DeleteSubscriptions").collect();
    let [delete] = deletes[..] else { panic!("{deletes:?}") };
    assert!(!Row { needed: delete.clone(), has: false }.is_missing());
}

/// Findings of an identity that has no permissions.
fn findings() -> Findings {
    let checks = [check("unit", "Web/*", BOTH, Trigger::PullRequest)];
    let needed = needed(&checks, "fabrikam", &[repository("Web", "shop")], &[], false);
    let account = Some("svc@fabrikam.example".to_owned());
    Findings {
        url: "https://dev.azure.com/fabrikam".into(),
        identity: Some(Identity { account, ..Identity::default() }),
        permissions: needed.into_iter().map(|needed| Row { needed, has: false }).collect(),
        ..Findings::default()
    }
}

#[test]
fn one_command_grants_everything_under_a_token() {
    let mut findings = findings();
    let lines: Vec<Option<String>> =
        findings.permissions.iter().map(|row| findings.grant_line(row)).collect();
    let line = |namespace: &str, token: &str, bits: u32| {
        Some(format!(
            "az devops security permission update --org https://dev.azure.com/fabrikam \
             --namespace-id {namespace} --subject svc@fabrikam.example --token {token} \
             --allow-bit {bits}"
        ))
    };
    let project = "'$PROJECT:vstfs:///Classification/TeamProject/id-of-Web'";
    let hooks = line("cb594ebe-87dd-4fc9-ac2c-6a10a4c92046", "PublisherSecurity/id-of-Web", 3);
    let git = "repoV2/id-of-Web/id-of-shop";
    let git = line("2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87", git, 16_390);
    let project = line("52d39943-cb85-4d7f-8fa8-c6baac873819", project, 1);
    assert_eq!(lines, [&[project, hooks.clone(), hooks][..], &vec![git; 3]].concat());
    // A permission that the identity has is not granted again.
    findings.permissions[2].has = true;
    assert_eq!(findings.grant_line(&findings.permissions[2]), None);
    let line = findings.grant_line(&findings.permissions[1]).unwrap();
    assert!(line.ends_with("--allow-bit 1"), "{line}");
    findings.is_server = true;
    assert_eq!(findings.grant_line(&findings.permissions[1]), None);
}

#[test]
fn each_named_project_that_is_not_seen_has_its_token_and_command() {
    let id = "6CE954B1-ce1f-45d1-b94d-e6bf2464ba2c";
    let by_id = format!("{id}/*");
    let named = ["Web/*", "web/shop", "Fabrikam Fiber/**", "Seen/*", &by_id, "**"];
    let mut checks = Vec::from(named.map(|one| check("unit", one, BOTH, Trigger::Push)));
    checks.push(check("glob", "{Ops,Dev}/*", BOTH, Trigger::Push));
    checks.push(Check {
        organization: "contoso".into(),
        ..check("elsewhere", "Contoso/*", BOTH, Trigger::Push)
    });
    let seen = Project { id: "id-of-Seen".into(), name: "seen".into(), repositories: Vec::new() };
    let unseen = unseen(&checks, "fabrikam", &[seen]);
    let prefix = "$PROJECT:vstfs:///Classification/TeamProject/";
    let tokens: Vec<&str> = unseen.iter().map(|one| one.token.as_str()).collect();
    let expected = ["{id of Web}", "{id of Fabrikam Fiber}", &id.to_lowercase()];
    assert_eq!(tokens, expected.map(|id| format!("{prefix}{id}")));
    assert_eq!(project_named_in(tokens[1]), Some((prefix, "Fabrikam Fiber")));
    assert_eq!(project_named_in(tokens[2]), None);
    let mut findings = findings();
    findings.permissions = unseen.into_iter().map(Row::missing).collect();
    let line = findings.grant_line(&findings.permissions[1]).unwrap();
    let line = line.strip_prefix("az devops security permission update ").unwrap();
    assert_eq!(
        line,
        "--org https://dev.azure.com/fabrikam --namespace-id \
         52d39943-cb85-4d7f-8fa8-c6baac873819 --subject svc@fabrikam.example --token \
         '$PROJECT:vstfs:///Classification/TeamProject/'\"$(az devops project show --org \
         https://dev.azure.com/fabrikam --project 'Fabrikam Fiber' --query id --output tsv)\" \
         --allow-bit 1"
    );
}

#[test]
fn every_argument_is_quoted_for_a_shell() {
    let grant = Grant { namespace: "n".into(), token: "a b's".into(), bits: 1 };
    let line = grant.az_line("https://ado.example/Default Collection", "x");
    assert!(line.contains("--org 'https://ado.example/Default Collection' "), "{line}");
    assert!(line.contains("--token 'a b'\\''s' "), "{line}");
}

#[test]
fn repositories_are_listed_with_the_checks_that_watch_them() {
    let checks =
        [check("unit", "Web/*", BOTH, Trigger::Push), check("lost", "Wep/*", BOTH, Trigger::Push)];
    let here = [repository("Web", "shop"), repository("Ops", "tools")];
    let projects = vec![("id-of-Web".to_owned(), "Web".to_owned())];
    let found = seen(&checks, "fabrikam", projects, &here);
    let listed: Vec<_> = found
        .iter()
        .flat_map(|project| project.repositories.iter().map(move |one| (&project.name, one)))
        .map(|(project, one)| format!("{project}/{}: {}", one.name, one.checks.join(" ")))
        .collect();
    assert_eq!(listed, ["Ops/tools: ", "Web/shop: unit"]);
    let idle = idle(&checks, "fabrikam", &here);
    assert_eq!(idle.len(), 1);
    assert!(idle[0].starts_with("check lost: ") && idle[0].contains("Wep/*"), "{idle:?}");
}
