//! Kind `github_actions`.

use azdo_gateway::ci::github_actions::{App, Credential, Options, PrivateKey};
use azdo_gateway::ci::{CallbackError, Cancelled, Error, Mentioned, Template};
use azdo_gateway::domain::run::{Reported, Run, Started};
use fakes::systems::github_actions::{Input, RunDetails, World, secondary_limit};
use serde_json::json;
use url::Url;

use super::*;

fn options(world: &World, url: &str) -> Options {
    let (owner, repository) = world.repository().split_once('/').unwrap();
    Options {
        url: Url::parse(url).unwrap(),
        owner: owner.to_owned(),
        repository: repository.to_owned(),
        workflow: "build.yml".to_owned(),
        git_ref: Template::parse("main").unwrap(),
        credential: Credential::Token(Secret::new(world.token().to_owned())),
        input: Some("azdo_gateway_run".to_owned()),
        webhook_secrets: vec![Secret::new(world.webhook_secret().to_owned())],
    }
}

fn world() -> World {
    let mut world = World::new(3);
    world.list_lag_ms = 0;
    world
}

fn adapter() -> Adapter {
    Adapter::new(world(), |world, url| Arc::new(options(world, url)))
}

fn adapter_with(change: impl FnOnce(&World, &mut Options)) -> Adapter {
    Adapter::new(world(), |world, url| {
        let mut options = options(world, url);
        change(world, &mut options);
        Arc::new(options)
    })
}

fn app(world: &World) -> App {
    let private_key = PrivateKey::parse(&Secret::new(world.private_key())).unwrap();
    App { id: world.app_id(), installation: world.installation(), private_key }
}

fn of_app() -> Adapter {
    adapter_with(|world, options| options.credential = Credential::App(app(world)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_names_the_run_and_carries_our_id_and_the_inputs() {
    let adapter = adapter_with(|_, options| {
        options.git_ref = Template::parse("{{ 'main' if pull_request else branch }}").unwrap();
    });
    adapter.world::<World, _>(|world| world.workflow.inputs.push(Input::required("commit")));
    let run = adapter.run(OUR_ID);
    let inputs = BTreeMap::from([("commit".to_owned(), "{{ commit }}".to_owned())]);
    let run = Run { inputs, ..run };
    let Started::Accepted { ci_id: Some(ci_id), .. } = adapter.start(&run).await.unwrap() else {
        panic!("the answer names the run");
    };
    let build = adapter.system(|system| system.builds().all()[0].clone());
    assert_eq!((ci_id, build.run.as_str()), (build.number.to_string(), OUR_ID));
    assert_eq!((build.git_ref.as_str(), &build.inputs["commit"]), ("main", &json!(run.commit)));
    let explained = adapter.systems.explain(NAME, &adapter.trigger(&run)).unwrap();
    assert!(explained.starts_with("POST http"), "{explained}");
    assert!(explained.contains(OUR_ID) && !explained.contains("github_pat_"), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_by_the_exact_id_only() {
    adapter().assert_lost_start_is_found("dispatches").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_only_begins_alike_is_not_ours() {
    let adapter = adapter();
    adapter.world::<World, _>(|world| {
        world.workflow.run_name = Some("Build ${{ inputs.azdo_gateway_run }}-2".to_owned());
    });
    let (run, _) = adapter.started(OUR_ID).await;
    assert_eq!(adapter.find(&run).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_do_not_name_the_run_are_asked_for_it() {
    for run_details in [RunDetails::Ignored, RunDetails::Refused] {
        let adapter = adapter();
        adapter.world::<World, _>(|world| world.run_details = run_details);
        let run = adapter.run(OUR_ID);
        let unnamed = Started::Accepted { ci_id: None, url: None };
        assert_eq!(adapter.start(&run).await, Ok(unnamed), "{run_details:?}");
        let number = adapter.system(|system| system.builds().all()[0].number.to_string());
        assert_eq!(adapter.find(&run).await, Ok(Some(number)));
        assert_eq!(adapter.builds(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_success_is_ambiguous() {
    adapter().assert_unreadable_success_is_ambiguous("dispatches", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_is_polled_alone_and_in_one_list() {
    let adapter = adapter();
    let both = adapter
        .assert_states([
            (State::Queued, Reported::Running, 1),
            (State::Running, Reported::Running, 1),
            (State::Succeeded, Reported::Succeeded, 1),
            (State::Failed, Reported::Failed, 1),
            (State::Errored, Reported::Errored, 1),
            (State::Cancelled, Reported::Cancelled, 1),
        ])
        .await;
    let (first, number) = both[0].clone();
    adapter.world::<World, _>(|world| world.show(number, "completed", Some("stale")));
    let stale = adapter.poll(&first).await.unwrap();
    assert_eq!(stale.state, Reported::Errored);
    assert!(stale.description.unwrap().contains("stale"));
    adapter.assert_unlisted_is_asked_for(both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_address_is_dropped() {
    let adapter = adapter();
    let (run, _) = adapter.started(OUR_ID).await;
    let body = json!({"id": 1, "status": "in_progress", "html_url": "javascript:alert(1)"});
    adapter.fail_next("GET", "/runs/", Action::Respond(Response::json(200, &body)));
    assert_eq!(adapter.poll(&run).await.unwrap().url, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_is_forced_to_end() {
    let adapter = adapter();
    adapter.system(|system| system.builds().cancels_at_once = false);
    let (run, number) = adapter.started(OUR_ID).await;
    adapter.set_state(number, State::Running);
    let wait = Cancelled::Again(Duration::from_secs(60));
    let attempt = |cancel_attempts, ci_problem| Run {
        cancel_attempts: Some(cancel_attempts),
        ci_problem,
        ..run.clone()
    };
    assert_eq!(adapter.systems.cancel(NAME, &attempt(0, None)).await, Ok(wait));
    // After a failed call it is asked again, and not forced.
    let failed = attempt(1, Some("no answer in time".to_owned()));
    assert_eq!(adapter.systems.cancel(NAME, &failed).await, Ok(wait));
    assert_eq!(adapter.poll(&run).await.unwrap().state, Reported::Running);
    assert_eq!(adapter.systems.cancel(NAME, &attempt(1, None)).await, Ok(Cancelled::Done));
    assert_eq!(adapter.poll(&run).await.unwrap().state, Reported::Cancelled);
    for attempts in [0, 1] {
        let again = adapter.systems.cancel(NAME, &attempt(attempts, None)).await;
        assert_eq!(again, Ok(Cancelled::Done), "it has ended already");
    }
    adapter.system(|system| system.builds().delete(number));
    let gone = adapter.systems.cancel(NAME, &attempt(0, None)).await;
    assert!(gone.is_err_and(|error| error.is_gone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_githubs_words() {
    type Change = fn(&World, &mut Options);
    type Arrange = fn(&mut World);
    let cases: [(&str, Change, Arrange); 8] = [
        (
            "Bad credentials (401)",
            |_, options| options.credential = Credential::Token(Secret::new("wrong".into())),
            |_| {},
        ),
        (
            "Resource not accessible by personal access token (403)",
            |world, options| {
                let token = Secret::new(world.read_only_token().to_owned());
                options.credential = Credential::Token(token);
            },
            |_| {},
        ),
        (
            "Not Found (404): the token does not see octo-org/pipelines, or its default branch has \
             no workflow other.yml",
            |_, options| options.workflow = "other.yml".to_owned(),
            |_| {},
        ),
        (
            "No ref found for: gone (422)",
            |_, options| options.git_ref = Template::parse("gone").unwrap(),
            |_| {},
        ),
        (
            "Workflow does not have 'workflow_dispatch' trigger (422)",
            |_, _| {},
            |world| world.workflow.is_dispatchable = false,
        ),
        (
            "Unexpected inputs provided: [\"other\"] (422)",
            |_, options| options.input = Some("other".to_owned()),
            |_| {},
        ),
        (
            "Required input 'suite' not provided (422)",
            |_, _| {},
            |world| world.workflow.inputs.push(Input::required("suite")),
        ),
        (
            "Cannot trigger a 'workflow_dispatch' on a disabled workflow (422)",
            |_, _| {},
            |world| world.workflow.state = "disabled_manually".to_owned(),
        ),
    ];
    for (words, change, arrange) in cases {
        let adapter = adapter_with(change);
        adapter.world::<World, _>(arrange);
        let run = adapter.run(OUR_ID);
        assert_eq!(adapter.refusal(&run).await, words);
        assert_eq!(adapter.builds(), 0);
    }
    let adapter = adapter_with(|_, options| {
        options.git_ref = Template::parse("{{ pull_request.nr }}").unwrap();
    });
    let words = adapter.refusal(&adapter.run(OUR_ID)).await;
    assert!(words.starts_with("ref does not render"), "{words}");
    assert_eq!(adapter.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let adapter = adapter();
    let to = format!("{}/ci/start", adapter.shell.url());
    let redirect = Response::empty(307).with_header("location", &to);
    adapter.fail_next("POST", "dispatches", Action::Respond(redirect));
    let words = adapter.refusal(&adapter.run(OUR_ID)).await;
    assert!(words.starts_with("it redirects (307)"), "{words}");
    assert_eq!(adapter.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_limits_pause_the_account() {
    for action in [
        secondary_limit(60),
        // GitHub sometimes does not say for how long.
        secondary_limit(0),
        Action::Respond(Response::json(429, &json!({"message": "slow down"}))),
    ] {
        let adapter = adapter();
        let (run, _) = adapter.started(OUR_ID).await;
        adapter.fail_next("GET", "/runs/", action);
        let limited = adapter.poll(&run).await;
        assert!(matches!(limited, Err(Error::Unavailable { .. })), "{limited:?}");
        adapter.assert_paused(&run).await;
    }
    let adapter = adapter();
    let (run, _) = adapter.started(OUR_ID).await;
    adapter.world::<World, _>(|world| world.limits.requests_per_hour = 2);
    adapter.poll(&run).await.unwrap();
    // The last answer said that the budget is used up.
    adapter.assert_paused(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_installation_are_kept_and_replaced_in_time() {
    let adapter = of_app();
    let issued = || adapter.world::<World, _>(|world| world.issued_tokens());
    // A token that ends too soon is used once.
    let token = adapter.world::<World, _>(|world| world.token().to_owned());
    let ends_at = adapter.clock.now().plus(Duration::from_secs(290));
    let body = json!({"token": token, "expires_at": ends_at.to_string()});
    adapter.fail_next("POST", "access_tokens", Action::Respond(Response::json(201, &body)));
    let (run, _) = adapter.started(OUR_ID).await;
    assert_eq!(issued(), 0);
    for _ in 0..3 {
        adapter.poll(&run).await.unwrap();
    }
    assert_eq!(issued(), 1, "one token serves many calls");
    // One that GitHub has revoked is replaced at once.
    adapter.world::<World, _>(World::revoke_issued_tokens);
    adapter.poll(&run).await.unwrap();
    assert_eq!(issued(), 2);
    let both: Vec<_> = adapter.systems.poll(NAME, &[&run, &run]).await;
    assert!(both.iter().all(Result::is_ok), "{both:?}");
    assert_eq!(issued(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_gets_no_token_starts_nothing_and_says_why() {
    let adapter = adapter_with(|world, options| {
        let installation = 7;
        options.credential = Credential::App(App { installation, ..app(world) });
    });
    let run = adapter.run(OUR_ID);
    let words = adapter.refusal(&run).await;
    let told = "no token is issued to the App for this installation: Not Found (404)";
    assert_eq!(words, told);
    let run = Run { ci_id: Some("1".to_owned()), ..run };
    let polled = adapter.poll(&run).await.unwrap_err();
    assert!(!polled.is_gone(), "nothing is known about the run: {polled}");
    let (problems, _) = adapter.check().await;
    assert!(problems[0].starts_with(told), "{problems:?}");

    let adapter = of_app();
    adapter.fail_next("POST", "access_tokens", Action::DropAfter);
    let lost = adapter.start(&run).await;
    assert!(matches!(lost, Err(Error::Unavailable { .. })), "nothing was started: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_are_believed_by_their_signature() {
    let adapter = adapter();
    let (_, number) = adapter.started(OUR_ID).await;
    let at_ci = Mentioned::AtCi(number.to_string());
    assert_eq!(adapter.callback(number, |_| {}), Ok(vec![at_ci]));
    let unauthorized = Err(CallbackError::Unauthorized);
    assert_eq!(adapter.callback(number, |request| request.body.push(b' ')), unauthorized);
    assert_eq!(adapter.callback(number, |request| request.headers.clear()), unauthorized);
    let forged = format!("sha256={}", "0".repeat(64));
    let forge = |request: &mut Request| replace_header(request, "x-hub-signature-256", &forged);
    assert_eq!(adapter.callback(number, forge), unauthorized);
    let silent = adapter_with(|_, options| options.webhook_secrets.clear());
    let (_, number) = silent.started(OUR_ID).await;
    assert_eq!(silent.callback(number, |_| {}), Err(CallbackError::Unexpected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_what_is_wrong_and_starts_nothing() {
    let adapter = adapter();
    let (problems, notes) = adapter.check().await;
    assert_eq!(problems, Vec::<String>::new());
    assert!(notes.iter().any(|note| note.contains("needs the permission Contents")), "{notes:?}");
    adapter.world::<World, _>(World::permit_contents);
    assert_eq!(adapter.check().await.0, Vec::<String>::new());
    adapter.world::<World, _>(|world| {
        world.workflow.run_name = None;
        world.workflow.inputs.clear();
        world.workflow.state = "disabled_inactivity".to_owned();
    });
    let (problems, _) = adapter.check().await;
    for told in ["disabled_inactivity", "does not declare the input", "run-name does not show"] {
        assert!(problems.iter().any(|problem| problem.contains(told)), "{told}: {problems:?}");
    }
    let adapter = adapter_with(|_, options| options.workflow = "other.yml".to_owned());
    let (problems, _) = adapter.check().await;
    assert!(problems[0].contains("no workflow other.yml: Not Found (404)"), "{problems:?}");
    let adapter = of_app();
    assert_eq!(adapter.check().await.0, Vec::<String>::new());
    adapter.world::<World, _>(World::restrict_installation);
    let (problems, _) = adapter.check().await;
    assert_eq!(problems, ["the installation has the permission Actions: read"]);
    assert_eq!(adapter.builds(), 0);
}
