//! Kind `gitlab`.

use azdo_gateway::ci::gitlab::Options;
use azdo_gateway::ci::{CallbackError, Cancelled, Error, Mentioned, Template};
use azdo_gateway::domain::run::{Reported, Run, Started};
use fakes::systems::gitlab::{Hook, World, too_many_requests};
use serde_json::json;
use url::Url;

use super::*;

fn options(world: &World, url: &str) -> Options {
    Options {
        url: Url::parse(url).unwrap(),
        project: world.project().to_owned(),
        git_ref: Template::parse("main").unwrap(),
        token: Secret::new(world.token().to_owned()),
        trigger_token: None,
        inputs_are_variables: false,
        webhook_secrets: vec![Secret::new(world.webhook_secret().to_owned())],
    }
}

fn adapter() -> Adapter {
    adapter_with(|_, _| {})
}

fn adapter_with(change: impl FnOnce(&World, &mut Options)) -> Adapter {
    adapter_of(World::new(3), change)
}

fn adapter_of(world: World, change: impl FnOnce(&World, &mut Options)) -> Adapter {
    Adapter::new(world, |world, url| {
        let mut options = options(world, url);
        change(world, &mut options);
        Arc::new(options)
    })
}

fn with_trigger_token(world: &World, options: &mut Options) {
    options.trigger_token = Some(Secret::new(world.trigger_token().to_owned()));
}

fn with_commit(run: Run) -> Run {
    let inputs = BTreeMap::from([("commit".to_owned(), "{{ commit }}".to_owned())]);
    Run { inputs, ..run }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_tokens_start_a_pipeline_that_carries_our_id_and_the_inputs() {
    for has_trigger_token in [false, true] {
        for inputs_are_variables in [false, true] {
            let adapter = adapter_with(|world, options| {
                options.inputs_are_variables = inputs_are_variables;
                if has_trigger_token {
                    with_trigger_token(world, options);
                }
            });
            if !inputs_are_variables {
                adapter.world::<World, _>(|world| world.declare_input("commit", true));
            }
            let run = with_commit(adapter.run(OUR_ID));
            let started = adapter.start(&run).await.unwrap();
            let build = adapter.system(|system| system.builds().all()[0].clone());
            let Started::Accepted { ci_id: Some(ci_id), url: Some(url) } = started else {
                panic!("the answer names the pipeline: {started:?}");
            };
            assert_eq!((ci_id, build.run.as_str()), (build.number.to_string(), OUR_ID));
            assert!(url.contains("/group/pipelines/-/pipelines/"), "{url}");
            assert_eq!(build.git_ref, "main");
            assert_eq!(build.inputs["commit"], json!(run.commit));
            let explained = adapter.systems.explain(NAME, &adapter.trigger(&run)).unwrap();
            assert!(explained.contains(OUR_ID) && !explained.contains("gl"), "{explained}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_may_be_named_by_its_id() {
    let adapter = adapter_with(|world, options| options.project = world.project_id().to_string());
    let (run, _) = adapter.started(OUR_ID).await;
    assert_eq!(adapter.poll(&run).await.unwrap().state, Reported::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_by_the_exact_id_only() {
    adapter().assert_lost_start_is_found("/pipeline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_saves_the_look_at_variables() {
    let mut world = World::new(3);
    world.pipeline_name = Some("Check $AZDO_GATEWAY_RUN".to_owned());
    let adapter = adapter_of(world, with_trigger_token);
    let (run, number) = adapter.started(OUR_ID).await;
    adapter.started(OTHER_ID).await;
    let before = adapter.requests();
    assert_eq!(adapter.find(&run).await, Ok(Some(number.to_string())));
    let absent = adapter.run("0199a3c1-3b5e-7000-8000-000000000003");
    assert_eq!(adapter.find(&absent).await, Ok(None));
    assert_eq!(adapter.requests(), before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_be_looked_up_is_told_and_not_repeated() {
    let adapter = adapter_with(with_trigger_token);
    let run = adapter.run(OUR_ID);
    assert_eq!(adapter.find(&run).await, Ok(None), "there is no pipeline at all");
    adapter.started(OTHER_ID).await;
    let hidden = adapter.find(&run).await.unwrap_err();
    let told = hidden.to_string();
    assert!(matches!(hidden, Error::Refused { .. }), "{told}");
    assert!(told.contains("403 Forbidden") && told.contains("the role Maintainer"), "{told}");
    adapter.world::<World, _>(|world| world.is_maintainer = true);
    assert_eq!(adapter.find(&run).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_success_is_ambiguous() {
    adapter().assert_unreadable_success_is_ambiguous("/pipeline", 201).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_is_polled_alone_and_in_one_list() {
    let adapter = adapter();
    let both = adapter
        .assert_states([
            (State::Queued, Reported::Running, 1),
            (State::Running, Reported::Running, 1),
            (State::Succeeded, Reported::Succeeded, 1),
            // A list does not tell why a pipeline failed.
            (State::Failed, Reported::Failed, 2),
            (State::Errored, Reported::Errored, 2),
            (State::Cancelled, Reported::Cancelled, 1),
        ])
        .await;
    let (first, number) = both[0].clone();
    let shown = adapter.poll(&Run { ci_id: Some(number.to_string()), ..first.clone() }).await;
    assert_eq!(shown.unwrap().state, Reported::Cancelled);
    adapter.world::<World, _>(|world| world.show(number, "failed", Some("no <visible> job")));
    let told = adapter.poll(&first).await.unwrap();
    assert_eq!(told.state, Reported::Errored);
    assert!(told.description.unwrap().ends_with("no visible job"));
    adapter.assert_unlisted_is_asked_for(both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_is_done_whatever_the_state() {
    let adapter = adapter();
    adapter.system(|system| system.builds().cancels_at_once = false);
    let (run, number) = adapter.started(OUR_ID).await;
    adapter.set_state(number, State::Running);
    assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
    assert_eq!(adapter.poll(&run).await.unwrap().state, Reported::Running, "it is canceling");
    adapter.set_state(number, State::Cancelled);
    assert_eq!(adapter.poll(&run).await.unwrap().state, Reported::Cancelled);
    assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
    adapter.system(|system| system.builds().delete(number));
    let gone = adapter.systems.cancel(NAME, &run).await;
    assert!(gone.is_err_and(|error| error.is_gone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_gitlabs_words() {
    type Change = fn(&World, &mut Options);
    type Arrange = fn(&mut World);
    let cases: [(&str, Change, Arrange); 9] = [
        (
            "401 Unauthorized (401)",
            |_, options| options.token = Secret::new("wrong".into()),
            |_| {},
        ),
        (
            "The request requires higher privileges than provided by the access token. (403)",
            |world, options| options.token = Secret::new(world.read_only_token().to_owned()),
            |_| {},
        ),
        (
            "404 Project Not Found (404): the token does not see the project group/pipelines",
            |world, options| options.token = Secret::new(world.outsider_token().to_owned()),
            |_| {},
        ),
        (
            "404 Not Found (404): trigger_token is no trigger token of the project group/pipelines",
            |_, options| options.trigger_token = Some(Secret::new("glptt-wrong".into())),
            |_| {},
        ),
        (
            "Reference not found (400)",
            |_, options| options.git_ref = Template::parse("gone").unwrap(),
            |_| {},
        ),
        (
            "Insufficient permissions to set pipeline variables (400): let whoever starts the \
             pipeline set variables in the project's CI/CD settings, since AZDO_GATEWAY_RUN \
             carries the run",
            |_, _| {},
            |world| world.permits_variables = false,
        ),
        (
            "Pipeline will not run for the selected trigger. The rules configuration prevented any \
             jobs from being added to the pipeline. (400)",
            |_, _| {},
            |world| world.has_no_jobs = true,
        ),
        (
            "`suite` input: required value has not been provided (400)",
            |_, _| {},
            |world| world.declare_input("suite", true),
        ),
        (
            "Insufficient permissions to set pipeline variables (400): let whoever starts the \
             pipeline set variables in the project's CI/CD settings, since AZDO_GATEWAY_RUN \
             carries the run",
            with_trigger_token,
            |world| world.permits_variables = false,
        ),
    ];
    for (words, change, arrange) in cases {
        let adapter = adapter_with(change);
        adapter.world::<World, _>(arrange);
        let run = adapter.run(OUR_ID);
        assert_eq!(adapter.refusal(&run).await, words);
        assert_eq!(adapter.builds(), 0);
    }
    let adapter = adapter();
    let words = adapter.refusal(&with_commit(adapter.run(OUR_ID))).await;
    assert!(words.contains("inputs not defined") && words.contains("commit"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_pauses_the_account() {
    let adapter = adapter();
    let (run, _) = adapter.started(OUR_ID).await;
    let action = too_many_requests(60, adapter.clock.now().ms());
    adapter.fail_next("GET", "/pipelines/", action);
    let limited = adapter.poll(&run).await;
    assert!(matches!(limited, Err(Error::Unavailable { .. })), "{limited:?}");
    adapter.assert_paused(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_are_believed_by_their_signature_or_token() {
    let wrong_key = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (hook, header, forged) in
        [(Hook::Signed, "webhook-signature", wrong_key), (Hook::Token, "x-gitlab-token", "wrong")]
    {
        let mut world = World::new(3);
        world.hook = hook;
        let adapter = adapter_of(world, |_, _| {});
        let (run, number) = adapter.started(OUR_ID).await;
        let mentioned = vec![Mentioned::Run(run.id), Mentioned::AtCi(number.to_string())];
        assert_eq!(adapter.callback(number, |_| {}), Ok(mentioned), "{hook:?}");
        let unauthorized = Err(CallbackError::Unauthorized);
        let forge = |request: &mut Request| replace_header(request, header, forged);
        assert_eq!(adapter.callback(number, forge), unauthorized);
        assert_eq!(adapter.callback(number, |request| request.headers.clear()), unauthorized);
    }
    let adapter = adapter();
    let (_, number) = adapter.started(OUR_ID).await;
    let mut old = adapter.system(|system| system.callback(number, 1_700_000_000_000)).unwrap();
    let replayed = adapter.callback(number, |request| std::mem::swap(request, &mut old));
    assert_eq!(replayed, Err(CallbackError::TooOld));
    // The secret itself does not stand for a signature.
    let secret = adapter.world::<World, _>(|world| world.webhook_secret().to_owned());
    let as_token = |request: &mut Request| {
        request.headers.clear();
        request.headers.push(("x-gitlab-token".to_owned(), secret.clone()));
    };
    assert_eq!(adapter.callback(number, as_token), Err(CallbackError::Unauthorized));
    let silent = adapter_with(|_, options| options.webhook_secrets.clear());
    let (_, number) = silent.started(OUR_ID).await;
    assert_eq!(silent.callback(number, |_| {}), Err(CallbackError::Unexpected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_what_is_wrong_and_starts_nothing() {
    let adapter = adapter_with(with_trigger_token);
    let (problems, notes) = adapter.check().await;
    assert_eq!(problems, Vec::<String>::new());
    assert!(notes.iter().any(|note| note.contains("trigger token")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("the role Maintainer")), "{notes:?}");
    adapter.world::<World, _>(|world| world.is_maintainer = true);
    assert_eq!(adapter.check().await.0, Vec::<String>::new());
    adapter.world::<World, _>(|world| world.permits_variables = false);
    let (problems, _) = adapter.check().await;
    assert!(problems[0].starts_with("nobody may set variables"), "{problems:?}");
    let scopes = json!({"scopes": ["read_api"]});
    let action = Action::Respond(Response::json(200, &scopes));
    adapter.fail_next("GET", "/personal_access_tokens/self", action);
    let (problems, _) = adapter.check().await;
    assert!(problems[1].contains("has not the scope api"), "{problems:?}");
    let adapter = adapter_with(|_, options| options.project = "group/other".to_owned());
    let (problems, _) = adapter.check().await;
    assert!(problems[0].contains("404 Project Not Found (404)"), "{problems:?}");
    assert_eq!(adapter.builds(), 0);
}
