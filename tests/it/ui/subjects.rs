//! The pages of pull requests, commits and branches.

use fakes::ado::NewPullRequest;
use reqwest::StatusCode;

use super::{check_page, links, page, signed_in};
use crate::harness::{Browser, Env, Gateway, ORGANIZATION, VIEWER, check};

/// The pull request of that number, as its address below `/ui`.
fn address(id: u64) -> String {
    format!("/ui/fabrikam/Fabrikam/_git/web/pullrequest/{id}")
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_pull_request_shows_its_checks_what_happened_and_whose_time_it_was() {
    let env = Env::new(4401);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks += &check("release", "target_branches = [\"release/*\"]\nrequired = true");
        settings.checks += &check("e2e", "required = true");
    })
    .await;
    env.disable_ci_reports();
    let (id, first) = env.open("topic");
    let superseded = env.until_started("e2e", &first).await;
    let second = env.push("topic");
    let run = env.until_started("e2e", &second).await;
    env.report(&run, "running");
    env.until_status(id, &second, "e2e", "pending").await;
    env.until_idle(&gateway.api).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let shown = page(&browser, &gateway, &address(id)).await;
    let short = |commit: &str| commit[..8].to_owned();
    let why = "target branch main does not match target_branches";
    for text in [
        format!("Fabrikam/web !{id}"),
        "Merge topic into main".to_owned(),
        "Active".to_owned(),
        format!("topic at {} into main", short(&second)),
        "Merging waits for e2e (running).".to_owned(),
        "unit-tests is not required.".to_owned(),
        format!("<code>{}</code> head", short(&second)),
        format!("<code>{}</code>", short(&first)),
        "Superseded".to_owned(),
        "Not started".to_owned(),
        why.to_owned(),
        "Whose time:".to_owned(),
        "<rect class=\"".to_owned(),
        "by its clock".to_owned(),
        "stored, by a hook".to_owned(),
        "ci/e2e pending shown".to_owned(),
        format!("/ui/runs/{run}\""),
        format!("/ui/runs/{superseded}\""),
        format!("azdo-gateway explain --against fabrikam/Fabrikam/web/{id}"),
        "GET /v1/deliveries?organization=fabrikam".to_owned(),
    ] {
        assert!(shown.text.contains(&text), "{text}: {}", shown.text);
    }
    let by_ids = format!("/ui/FABRIKAM/{}/_git/{}/pullrequest/{id}", env.project, env.repository);
    let shown = page(&browser, &gateway, &by_ids).await;
    assert!(shown.text.contains("Merging waits for e2e"), "{}", shown.text);
    // The page of the run leads back to it.
    let shown = page(&browser, &gateway, &format!("/ui/runs/{run}")).await;
    let why = format!("pull request {id} pushed at");
    for text in ["Planned because", &why, "Running", "Times out"] {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    assert!(links(&shown).contains(&address(id)), "{}", shown.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_started_nothing_is_found_with_the_reason() {
    let env = Env::new(4402);
    let gateway = Gateway::start(&env).await;
    env.shell.ado(|ado| ado.push(&env.repository, "old", "Begin"));
    let id = env.shell.ado(|ado| {
        ado.push(&env.repository, "topic/\u{fc} a&b", "Work");
        ado.open_pull_request(&NewPullRequest::new(&env.repository, "topic/\u{fc} a&b", "old"))
    });
    env.until_decided(&gateway.api).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let find = async |sought: &str| {
        let q: String = url::form_urlencoded::byte_serialize(sought.as_bytes()).collect();
        browser.open(&format!("{}/ui/find?q={q}", gateway.url), None).await
    };
    let at_ado = env.shell.ado(|ado| ado.organization_url(ORGANIZATION));
    let at_ado = format!("{at_ado}/Fabrikam/_git/web/pullrequest/{id}?_a=files");
    for sought in [format!("!{id}"), at_ado] {
        let led = find(&sought).await;
        assert_eq!(led.status, StatusCode::SEE_OTHER, "{sought}: {}", led.text);
        assert!(led.location.unwrap().as_str().ends_with(&address(id)));
    }
    let shown = page(&browser, &gateway, &address(id)).await;
    for text in ["target branch old does not match", "Not started", "pull request opened"] {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    let branch = "/ui/fabrikam/Fabrikam/_git/web?version=GBtopic%2F%C3%BC+a%26b";
    let shown = page(&browser, &gateway, branch).await;
    for text in ["branch topic/\u{fc} a&#38;b", "branch created", "does not match branches"] {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    let led = find("old").await;
    assert!(led.location.unwrap().as_str().ends_with("?version=GBold"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_and_branches_have_pages_too() {
    let env = Env::new(4403);
    let gateway = Gateway::start(&env).await;
    let commit = env.push("main");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let of_commit = format!("/ui/fabrikam/Fabrikam/_git/web/commit/{}", commit.to_uppercase());
    let of_branch = "/ui/fabrikam/Fabrikam/_git/web?version=GBmain&path=/a.rs&_a=contents";
    for (path, title) in [
        (of_commit.as_str(), format!("commit {}", &commit[..8])),
        (of_branch, "branch main".to_owned()),
    ] {
        let shown = page(&browser, &gateway, path).await;
        for text in [title.as_str(), "Succeeded", "branch pushed", "ci/unit-tests succeeded shown"]
        {
            assert!(shown.text.contains(text), "{path} has no {text}: {}", shown.text);
        }
    }
    for (path, to) in [
        ("/ui/fabrikam/Fabrikam/_git/web", format!("&repository_id={}", env.repository)),
        (
            "/ui/fabrikam/_git/web/pullrequest/7?_a=files",
            "/ui/fabrikam/web/_git/web/pullrequest/7?_a=files".into(),
        ),
        ("/ui/fabrikam/_git/web", "/ui/fabrikam/web/_git/web".into()),
    ] {
        let led = browser.open(&format!("{}{path}", gateway.url), None).await;
        assert_eq!(led.status, StatusCode::SEE_OTHER, "{path}: {}", led.text);
        let led = led.location.unwrap();
        assert!(led.as_str().ends_with(&to), "{path}: {led}");
    }
    let short = browser.open(&format!("{}/ui/find?q={}", gateway.url, &commit[..9]), None).await;
    assert!(short.location.unwrap().as_str().ends_with(&format!("/commit/{commit}")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_known_the_page_says_why_and_what_would_happen() {
    let env = Env::new(4404);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let (id, _) = env.open("topic");
    let browser = signed_in(&gateway, VIEWER).await;
    let open = async |path: &str| browser.open(&format!("{}{path}", gateway.url), None).await;
    let shown = open(&address(id)).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    for text in [
        format!("Nothing is known of !{id} of Fabrikam/web"),
        "Read by catch-up until".to_owned(),
        "Watched since".to_owned(),
        "No hook of this project was seen".to_owned(),
        "Checks that watch this repository: <b>unit-tests</b>".to_owned(),
        "Look at Azure DevOps now".to_owned(),
    ] {
        assert!(shown.text.contains(&text), "{text}: {}", shown.text);
    }
    let calls = || env.shell.ado(|ado| ado.journal.count("GET", "/pullrequests/"));
    assert_eq!(calls(), 0);
    let shown = open(&format!("{}?look=ado", address(id))).await;
    for text in
        ["Would run", "it matches", "Merge topic into main", "nothing was started or stored"]
    {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    assert_eq!(calls(), 1);
    assert!(open(&address(id)).await.text.contains("Nothing is known"));
    assert_eq!(env.starts(), 0);
    let unknown = open(&format!("{}?look=ado", address(9_999))).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.text);
    check_page(&unknown, "look");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_cannot_be_are_refused() {
    let env = Env::new(4405);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let (not_found, bad) = (StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST);
    let web = "/ui/fabrikam/Fabrikam/_git/web";
    for (path, expected) in [
        ("/ui/contoso/Fabrikam/_git/web/pullrequest/1".to_owned(), not_found),
        (format!("{web}/pullrequest/one"), not_found),
        (format!("{web}/pullrequest/99999999999999999999"), not_found),
        (format!("{web}/commit/abc"), not_found),
        (format!("{web}/commit/%3Cscript%3E"), not_found),
        (format!("{web}/branches"), not_found),
        (format!("{web}?version=XX1"), bad),
        (format!("{web}?version=%C3%A9"), bad),
        (format!("{web}/pullrequest/1?look=other"), bad),
        (format!("{web}/pullrequest/1?colour=red"), bad),
        ("/ui/pull-requests?state=failed".to_owned(), bad),
        ("/ui/pull-requests?limit=0".to_owned(), bad),
    ] {
        let shown = browser.open(&format!("{}{path}", gateway.url), None).await;
        assert_eq!(shown.status, expected, "{path}: {}", shown.text);
        check_page(&shown, &path);
    }
    for path in [address(1), "/ui/contoso/x/_git/y/pullrequest/1".to_owned()] {
        let shown = Browser::new().open(&format!("{}{path}", gateway.url), None).await;
        assert_eq!(shown.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn pull_requests_are_listed_with_their_checks_page_by_page() {
    let env = Env::new(4406);
    let gateway = Gateway::start(&env).await;
    let mut ids = Vec::new();
    for branch in ["one", "two", "three"] {
        let (id, commit) = env.open(branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
        ids.push(id);
    }
    let commit = env.push("one");
    env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    let browser = signed_in(&gateway, VIEWER).await;
    let mut path = "/ui/pull-requests?organization=fabrikam&limit=2".to_owned();
    let mut listed = Vec::new();
    loop {
        let shown = page(&browser, &gateway, &path).await;
        assert!(shown.text.contains("Succeeded"), "{}", shown.text);
        let is_page = |link: &String| link.contains("/pullrequest/");
        listed.extend(links(&shown).into_iter().filter(is_page));
        match links(&shown).into_iter().find(|link| link.contains("cursor=")) {
            Some(older) => path = older,
            None => break,
        }
    }
    // Each once, the one that was pushed to last first.
    assert_eq!(listed, [ids[0], ids[2], ids[1]].map(address));
    let shown = page(&browser, &gateway, "/ui/pull-requests?repository_id=other").await;
    assert!(shown.text.contains("Nothing matches the filters"), "{}", shown.text);
    gateway.stop().await;
}
