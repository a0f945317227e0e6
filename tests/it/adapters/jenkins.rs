//! Kind `jenkins`.

use azdo_gateway::ci::jenkins::Options;
use azdo_gateway::ci::{Cancelled, Error};
use azdo_gateway::domain::run::{Reported, Run, Started};
use fakes::systems::jenkins::{Parameter, World};
use url::Url;

use super::*;

fn adapter() -> Adapter {
    adapter_of(World::new(3), |_, _| {})
}

fn world_with(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(3);
    change(&mut world);
    world
}

fn adapter_of(world: World, change: impl FnOnce(&World, &mut Options)) -> Adapter {
    Adapter::new(world, |world, url| {
        let mut options = Options {
            url: Url::parse(&format!("{url}{}", world.job_path())).unwrap(),
            user: world.user().to_owned(),
            token: Secret::new(world.token().to_owned()),
            parameter: "AZDO_GATEWAY_RUN".to_owned(),
        };
        change(world, &mut options);
        Arc::new(options)
    })
}

fn as_user(name: &'static str) -> impl FnOnce(&World, &mut Options) {
    move |world, options| {
        let (user, token) = world.credentials(name);
        options.user = user.to_owned();
        options.token = Secret::new(token.to_owned());
    }
}

fn with_inputs(run: Run, inputs: &[(&str, &str)]) -> Run {
    let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Run { inputs: inputs.collect(), ..run }
}

/// Starts a run and returns it as it is afterwards, with the number of its build.
async fn started(adapter: &Adapter, id: &str) -> (Run, u64) {
    let run = adapter.run(id);
    let Started::Accepted { ci_id, url: None } = adapter.start(&run).await.unwrap() else {
        panic!("the start is refused");
    };
    let number = adapter.system(|system| system.builds().of_run(id).next_back().unwrap().number);
    let item = adapter.world::<World, _>(|world| world.item_id(number));
    assert_eq!(ci_id, Some(item.to_string()));
    (Run { ci_id, ..run }, number)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_carries_our_id_and_the_inputs_as_parameters() {
    for names in [vec!["web"], vec!["team a", "web"], vec!["mb", "feature%2Fx"]] {
        let mut world = World::new(3);
        world.parameters.push(Parameter::choice("suite", &["all", "smoke"]));
        world.set_job(&names);
        let adapter = adapter_of(world, |_, _| {});
        let inputs = [("suite", "{{ 'smoke' if pull_request }}")];
        let run = with_inputs(adapter.run(OUR_ID), &inputs);
        let answer = adapter.start(&run).await.unwrap();
        let build = adapter.system(|system| system.builds().all()[0].clone());
        let item = adapter.world::<World, _>(|world| world.item_id(1)).to_string();
        assert_eq!(answer, Started::Accepted { ci_id: Some(item), url: None });
        assert_eq!((build.run.as_str(), &build.inputs["suite"]), (OUR_ID, &"smoke".into()));
        let delay = adapter.world::<World, _>(|world| world.delay_ms(1));
        assert_eq!(delay, Some(0));
        let explained = adapter.systems.explain(NAME, &adapter.trigger(&run)).unwrap();
        assert!(explained.contains(OUR_ID) && !explained.contains("Basic"), "{explained}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_while_the_first_waits_is_the_same_item() {
    for says_see_other in [true, false] {
        let world = world_with(|world| world.says_see_other = says_see_other);
        let adapter = adapter_of(world, |_, _| {});
        let (run, _) = started(&adapter, OUR_ID).await;
        let again = adapter.start(&run).await.unwrap();
        assert_eq!(again, Started::Accepted { ci_id: run.ci_id, url: None });
        assert_eq!(adapter.builds(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_in_the_queue_and_among_the_builds() {
    let adapter = adapter();
    let run = adapter.run(OUR_ID);
    started(&adapter, OTHER_ID).await;
    assert_eq!(adapter.find(&run).await, Ok(None));
    for (fault, starts) in [(Action::DropBefore, 1), (Action::DropAfter, 2)] {
        adapter.fail_next("POST", "/buildWithParameters", fault);
        let lost = adapter.start(&run).await;
        assert!(matches!(lost, Err(Error::Ambiguous { .. })), "{lost:?}");
        assert_eq!(adapter.builds(), starts);
    }
    let item = adapter.world::<World, _>(|world| world.item_id(2)).to_string();
    assert_eq!(adapter.find(&run).await, Ok(Some(item.clone())));
    for state in [State::Running, State::Succeeded] {
        adapter.set_state(2, state);
        assert_eq!(adapter.find(&run).await, Ok(Some(item.clone())));
    }
    // A start that did not get as far as to be asked for is in no doubt.
    adapter.fail_next("GET", "/api/json", Action::DropAfter);
    let asked = adapter.start(&run).await;
    assert!(matches!(asked, Err(Error::Unavailable { .. })), "{asked:?}");
    assert_eq!(adapter.builds(), 2);
    let without = adapter_of(World::new(3), |_, options| options.parameter.clear());
    assert!(!without.systems.abilities(NAME).finds);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_look_up_goes_beyond_the_hundred_builds_that_a_job_lists() {
    let adapter = adapter();
    let (run, number) = started(&adapter, OUR_ID).await;
    adapter.set_state(number, State::Running);
    for _ in 0..120 {
        adapter.start(&adapter.run(OTHER_ID)).await.unwrap();
        adapter.system(|system| {
            let last = system.builds().all().last().unwrap().number;
            system.builds().set_state(last, State::Succeeded);
        });
    }
    assert_eq!(adapter.find(&run).await, Ok(run.ci_id.clone()));
    // The queue has forgotten it, and this process never knew its number.
    let forgotten = Action::Respond(
        Response::html(404, "<h1>Not Found</h1>").with_header("X-Jenkins", "2.516.3"),
    );
    let other = adapter_of(adapter.world::<World, _>(|world| world.clone()), |_, _| {});
    other.fail_next("GET", "/queue/item/", forgotten.clone());
    assert_eq!(other.poll(&run).await.unwrap().state, Reported::Running);
    other.system(|system| system.builds().delete(number));
    let third = adapter_of(other.world::<World, _>(|world| world.clone()), |_, _| {});
    third.fail_next("GET", "/queue/item/", forgotten);
    assert!(third.poll(&run).await.unwrap_err().is_gone());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_is_told_with_the_page_of_the_build() {
    let adapter = adapter();
    let (run, number) = started(&adapter, OUR_ID).await;
    let waits = adapter.poll(&run).await.unwrap();
    assert_eq!((waits.state, waits.url), (Reported::Running, None));
    assert_eq!(waits.description.as_deref(), Some("in the queue, waiting for an executor"));
    for (state, result, expected, words) in [
        (State::Running, "", Reported::Running, "#1"),
        (State::Running, "UNSTABLE", Reported::Running, "#1"),
        (State::Succeeded, "", Reported::Succeeded, "#1"),
        (State::Failed, "", Reported::Failed, "#1"),
        (State::Failed, "UNSTABLE", Reported::Failed, "#1: unstable"),
        (State::Errored, "", Reported::Errored, "#1: not built"),
        (State::Errored, "MELTED", Reported::Errored, "#1: MELTED"),
        (State::Cancelled, "", Reported::Cancelled, "#1"),
    ] {
        adapter.set_state(number, state);
        if !result.is_empty() {
            adapter.world::<World, _>(|world| world.show_result(number, result));
        }
        let observed = adapter.poll(&run).await.unwrap();
        assert_eq!(observed.state, expected, "{state:?} {result}");
        assert_eq!(observed.description.as_deref(), Some(words));
        let url = format!("{}/{NAME}/job/team%20a/job/web/1/", adapter.shell.url());
        assert_eq!(observed.url, Some(url));
        // The result stays as long as the state does.
        adapter.set_state(number, State::Queued);
    }
    adapter.system(|system| system.builds().delete(number));
    assert!(adapter.poll(&run).await.unwrap_err().is_gone());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_may_have_no_build_yet_or_never() {
    let world = world_with(|world| world.executable_lag_ms = 3_600_000);
    let adapter = adapter_of(world, |_, _| {});
    let (run, number) = started(&adapter, OUR_ID).await;
    adapter.set_state(number, State::Running);
    assert_eq!(adapter.poll(&run).await.unwrap().state, Reported::Running);
    let (run, number) = started(&adapter, OTHER_ID).await;
    adapter.world::<World, _>(|world| world.cancel_item(number));
    let observed = adapter.poll(&run).await.unwrap();
    assert_eq!(observed.state, Reported::Cancelled);
    assert_eq!(observed.description.as_deref(), Some("cancelled in the queue"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_answers_for_several_runs() {
    let adapter = adapter();
    let (one, number) = started(&adapter, OUR_ID).await;
    let (other, queued) = started(&adapter, OTHER_ID).await;
    let states = async |runs: &[&Run]| -> Vec<_> {
        let answers = adapter.systems.poll(NAME, runs).await.into_iter();
        answers.map(|answer| answer.map(|it| it.state)).collect()
    };
    adapter.set_state(number, State::Running);
    let running = [Ok(Reported::Running), Ok(Reported::Running)];
    let before = adapter.requests();
    assert_eq!(states(&[&one, &other]).await, running);
    assert_eq!(adapter.requests(), before + 2, "the list, and the item that waits");
    adapter.set_state(queued, State::Failed);
    assert_eq!(states(&[&one, &other]).await, [Ok(Reported::Running), Ok(Reported::Failed)]);
    assert_eq!(adapter.requests(), before + 3);
    // The item once, and then its build.
    assert_eq!(states(&[&one]).await, [Ok(Reported::Running)]);
    assert_eq!(adapter.requests(), before + 5);
    assert_eq!(states(&[&one]).await, [Ok(Reported::Running)]);
    assert_eq!(adapter.requests(), before + 6);
    // Two that wait are in one list of the queue.
    let ids = ["0199a3c1-3b5e-7000-8000-000000000003", "0199a3c1-3b5e-7000-8000-000000000004"];
    let (third, _) = started(&adapter, ids[0]).await;
    let (fourth, _) = started(&adapter, ids[1]).await;
    let before = adapter.requests();
    assert_eq!(states(&[&one, &third, &fourth]).await, vec![Ok(Reported::Running); 3]);
    assert_eq!(adapter.requests(), before + 2);
    // What stands in front of Jenkins does not know its builds.
    adapter.fail_next("GET", "/api/json", Action::Respond(Response::html(404, "<p>no</p>")));
    let refused = states(&[&one]).await.remove(0).unwrap_err();
    assert!(!refused.is_gone(), "{refused}");
    let words = "a proxy or a sign-in page answers in place of Jenkins (404)";
    assert_eq!(refused.to_string(), words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_before_while_and_after_it_runs() {
    let adapter = adapter();
    let state = |number| adapter.system(|system| system.builds().get(number).unwrap().state);
    let (run, number) = started(&adapter, OUR_ID).await;
    assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
    assert_eq!(state(number), State::Cancelled);
    assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
    let (run, number) = started(&adapter, OTHER_ID).await;
    adapter.set_state(number, State::Running);
    let again = Ok(Cancelled::Again(Duration::from_secs(10)));
    assert_eq!(adapter.systems.cancel(NAME, &run).await, again);
    assert_eq!(state(number), State::Cancelled);
    assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
    adapter.set_state(number, State::Succeeded);
    assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
    adapter.system(|system| system.builds().delete(number));
    assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_goes_on_is_stopped_more_urgently() {
    for (is_pipeline, ends_at, told) in [
        (true, "stop", vec!["stop"]),
        (true, "kill", vec!["stop", "term", "kill"]),
        (false, "kill", vec!["stop", "term", "stop", "kill", "stop", "kill", "stop"]),
    ] {
        let world = world_with(|world| {
            world.is_pipeline = is_pipeline;
            world.ends_at = ends_at.to_owned();
        });
        let adapter = adapter_of(world, |_, _| {});
        let (run, number) = started(&adapter, OUR_ID).await;
        adapter.set_state(number, State::Running);
        for attempts in 0..4 {
            let run = Run { cancel_attempts: Some(attempts), ..run.clone() };
            adapter.systems.cancel(NAME, &run).await.unwrap();
        }
        let sent: Vec<_> = adapter.world::<World, _>(|world| {
            let posts = world.journal.entries().filter(|entry| entry.method == "POST");
            let last = posts.filter_map(|entry| entry.target.rsplit('/').next());
            let verbs = last.filter(|verb| ["stop", "term", "kill"].contains(verb));
            verbs.map(str::to_owned).collect()
        });
        assert_eq!(sent, told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_the_words_of_jenkins() {
    for (name, words) in [
        ("reader", "Access Denied: reader is missing the Job/Build permission (403)"),
        ("stranger", "Not Found (404): there is no such job or build, or the user may not see it"),
    ] {
        let adapter = adapter_of(World::new(3), as_user(name));
        assert_eq!(adapter.refusal(&adapter.run(OUR_ID)).await, words);
    }
    let adapter = adapter_of(World::new(3), as_user("starter"));
    let (run, _) = started(&adapter, OUR_ID).await;
    let refused = adapter.systems.cancel(NAME, &run).await.unwrap_err().to_string();
    assert_eq!(refused, "You do not have permission to cancel this item (422)");
    let adapter = self::adapter();
    let run = adapter.run(OUR_ID);
    for (change, words) in [
        (
            (|world: &mut World| world.refuses_starts = true) as fn(&mut World),
            "it takes no build: one of its plugins refuses it, or it is shutting down (302)",
        ),
        (
            |world| world.is_disabled = true,
            "Error: team a/web is not buildable (409): the job is disabled",
        ),
        (
            |world| world.parameters = vec![Parameter::text("OTHER", "")],
            "the job does not declare the parameter AZDO_GATEWAY_RUN, and Jenkins would drop it \
             (a Pipeline learns its parameters in its first build)",
        ),
        (World::revoke_tokens, "Invalid password/token for user (401)"),
    ] {
        adapter.world::<World, _>(change);
        assert_eq!(adapter.refusal(&run).await, words);
    }
    adapter.fail_next("GET", "", Action::Respond(Response::html(403, "<h1>Sign in</h1>")));
    let proxy = adapter.refusal(&run).await;
    assert_eq!(proxy, "a proxy or a sign-in page answers in place of Jenkins (403)");
    adapter.world::<World, _>(|world| world.is_starting = true);
    let starting = adapter.start(&run).await;
    assert!(matches!(starting, Err(Error::Unavailable { .. })), "{starting:?}");
    assert_eq!(adapter.builds(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_jenkins_would_drop_or_choke_on_are_refused() {
    let mut world = World::new(3);
    world.parameters.push(Parameter::choice("suite", &["all", "smoke"]));
    let adapter = adapter_of(world, |_, _| {});
    let refusal = async |name: &str, value: &str| {
        adapter.refusal(&with_inputs(adapter.run(OUR_ID), &[(name, value)])).await
    };
    let choice = refusal("suite", "none").await;
    assert_eq!(choice, "the parameter suite cannot be \"none\": it is one of all, smoke");
    assert!(refusal("commit", "x").await.contains("does not declare the parameter commit"));
    assert!(refusal("AZDO_GATEWAY_RUN", "x").await.contains("is the parameter of the run id"));
    assert!(refusal("delay", "1").await.contains("how long the build waits"));
    assert_eq!(adapter.builds(), 0);
    let bare = world_with(|world| world.parameters = Vec::new());
    let bare = adapter_of(bare, |_, options| options.parameter.clear());
    assert!(matches!(bare.start(&bare.run(OUR_ID)).await, Ok(Started::Accepted { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_pause_the_account() {
    let adapter = adapter();
    let (run, _) = started(&adapter, OUR_ID).await;
    let limited = Response::html(429, "<h1>Slow down</h1>").with_header("retry-after", "30");
    adapter.fail_next("GET", "/queue/item/", Action::Respond(limited));
    let refused = adapter.poll(&run).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    adapter.assert_paused(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ci_check_says_what_is_wrong() {
    let adapter = adapter();
    let (problems, notes) = adapter.check().await;
    assert!(problems.is_empty() && notes.iter().any(|it| it.contains("team a/web")), "{notes:?}");
    adapter.world::<World, _>(|world| {
        world.is_disabled = true;
        world.parameters = vec![Parameter::password("AZDO_GATEWAY_RUN")];
    });
    let (problems, _) = adapter.check().await;
    assert_eq!(problems.len(), 2, "{problems:?}");
    adapter.world::<World, _>(|world| world.parameters.clear());
    assert!(adapter.check().await.0[1].contains("does not declare the parameter"));
    adapter.world::<World, _>(World::revoke_tokens);
    assert_eq!(adapter.check().await.0, ["Invalid password/token for user (401)"]);
    let stranger = adapter_of(World::new(3), as_user("stranger"));
    assert!(stranger.check().await.0[0].contains("the user may not see it"));
}
