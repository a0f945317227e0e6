//! Kind `dbt_cloud`.

use azdo_gateway::ci::dbt_cloud::Options;
use azdo_gateway::ci::{CallbackError, Cancelled, Error, Mentioned, Template};
use azdo_gateway::domain::run::{OfPullRequest, Reported, Run};
use fakes::faults::page_200;
use fakes::systems::dbt_cloud::World;
use serde_json::{Value, json};
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
            url: Url::parse(url).unwrap(),
            account: world.account(),
            job: world.job(),
            token: Secret::new(world.token().to_owned()),
            schema: None,
            steps: Vec::new(),
            webhook_secrets: vec![Secret::new(world.webhook_secret().to_owned())],
        };
        change(world, &mut options);
        Arc::new(options)
    })
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn with_input(run: Run, value: &str) -> Run {
    let inputs = BTreeMap::from([("suite".to_owned(), value.to_owned())]);
    Run { inputs, ..run }
}

fn of_push(run: Run) -> Run {
    Run { pull_request: None, git_ref: "refs/heads/main".to_owned(), ..run }
}

fn triggered(adapter: &Adapter, number: u64) -> Value {
    json!(adapter.world::<World, _>(|world| world.trigger(number).cloned()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_carries_our_id_the_source_commit_and_the_schema_of_the_pull_request() {
    let adapter = adapter();
    let (run, number) = adapter.started(OUR_ID).await;
    let build = adapter.system(|system| system.builds().all()[0].clone());
    assert_eq!((build.number, build.run.as_str()), (number, OUR_ID));
    let job = adapter.world::<World, _>(|world| world.job());
    assert_eq!(
        triggered(&adapter, number),
        json!({
            "cause": format!("azdo-gateway run {OUR_ID}"),
            "git_sha": run.commit,
            "git_branch": "search",
            "azure_pull_request_id": 7,
            "schema_override": format!("dbt_cloud_pr_{job}_7"),
        })
    );
    let explained = adapter.systems.explain(NAME, &adapter.trigger(&run)).unwrap();
    assert!(explained.contains(OUR_ID) && !explained.contains("dbtc_"), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_schema_and_inputs_are_rendered() {
    let world = world_with(|world| world.job_type = "other".to_owned());
    let adapter = adapter_of(world, |_, options| {
        options.schema = Some(template("{{ 'pr_' ~ pull_request.id if pull_request }}"));
        options.steps =
            ["dbt seed", "dbt build --target {{ branch }}", "{{ '' }}"].map(template).to_vec();
    });
    let run = with_input(adapter.run(OUR_ID), "smoke {{ attempt }}");
    adapter.start(&run).await.unwrap();
    adapter.start(&of_push(adapter.run(OTHER_ID))).await.unwrap();
    let numbers = adapter.system(|system| {
        system.builds().all().iter().map(|build| build.number).collect::<Vec<_>>()
    });
    let of_pull_request = triggered(&adapter, numbers[0]);
    assert_eq!(of_pull_request["schema_override"], "pr_7");
    assert_eq!(
        of_pull_request["steps_override"],
        json!([
            "dbt seed --vars '{\"suite\":\"smoke 1\"}'",
            "dbt build --target search --vars '{\"suite\":\"smoke 1\"}'",
        ])
    );
    let of_push = triggered(&adapter, numbers[1]);
    assert_eq!(of_push["steps_override"], json!(["dbt seed", "dbt build --target main"]));
    assert_eq!(of_push["git_branch"], "main");
    assert!(of_push.get("schema_override").is_none(), "{of_push}");
    assert!(of_push.get("azure_pull_request_id").is_none(), "{of_push}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_by_the_exact_id_only() {
    let adapter = adapter();
    let run = adapter.run(OUR_ID);
    adapter.started(OTHER_ID).await;
    assert_eq!(adapter.find(&run).await, Ok(None));
    for (fault, starts) in [(Action::DropBefore, 1), (Action::DropAfter, 2)] {
        adapter.fail_next("POST", "/run/", fault);
        let lost = adapter.start(&run).await;
        assert!(matches!(lost, Err(Error::Ambiguous { .. })), "{lost:?}");
        assert_eq!(adapter.builds(), starts);
    }
    let number = adapter.system(|system| system.builds().all()[1].number.to_string());
    adapter.started(OTHER_ID).await;
    assert_eq!(adapter.find(&run).await, Ok(Some(number)));
    adapter.fail_next("POST", "/run/", page_200());
    let page = adapter.start(&adapter.run(OTHER_ID)).await;
    assert!(matches!(page, Err(Error::Ambiguous { .. })), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_look_up_reads_pages_and_ends_before_the_run_was_planned() {
    let world = world_with(|world| world.cancels_older = false);
    let adapter = adapter_of(world, |_, _| {});
    let (run, number) = adapter.started(OUR_ID).await;
    for _ in 0..120 {
        adapter.start(&adapter.run(OTHER_ID)).await.unwrap();
    }
    let before = adapter.requests();
    assert_eq!(adapter.find(&run).await, Ok(Some(number.to_string())));
    assert_eq!(adapter.requests(), before + 2);
    let later = adapter.clock.now().plus(Duration::from_secs(600));
    let absent = adapter.run("0199a3c1-3b5e-7000-8000-000000000003");
    assert_eq!(adapter.find(&Run { created_at: later, ..absent }).await, Ok(None));
    assert_eq!(adapter.requests(), before + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_is_told() {
    let adapter = adapter();
    let (run, number) = adapter.started(OUR_ID).await;
    let url = run.url.clone();
    for (state, expected, words) in [
        (State::Queued, Reported::Running, Some("Queued")),
        (State::Running, Reported::Running, Some("Running")),
        (State::Succeeded, Reported::Succeeded, None),
        (
            State::Failed,
            Reported::Failed,
            Some("Invoke dbt with `dbt build --select state:modified+`: error"),
        ),
        (State::Errored, Reported::Errored, Some("fatal: reference is not a tree")),
        (State::Cancelled, Reported::Cancelled, None),
    ] {
        adapter.set_state(number, state);
        let description = words.map(str::to_owned);
        let observed = Observed { state: expected, description, url: url.clone() };
        assert_eq!(adapter.poll(&run).await, Ok(observed), "{state:?}");
    }
    adapter.set_state(number, State::Failed);
    adapter.world::<World, _>(|world| world.set_steps(number, &[]));
    assert_eq!(adapter.poll(&run).await.unwrap().state, Reported::Errored);
    adapter.system(|system| system.builds().delete(number));
    assert!(adapter.poll(&run).await.unwrap_err().is_gone());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_answers_for_several_runs() {
    let adapter = adapter();
    let (one, number) = adapter.started(OUR_ID).await;
    let (other, failed) = adapter.started(OTHER_ID).await;
    adapter.set_state(number, State::Running);
    adapter.set_state(failed, State::Succeeded);
    let states = async |runs: &[&Run]| -> Vec<_> {
        let answers = adapter.systems.poll(NAME, runs).await.into_iter();
        answers.map(|answer| answer.map(|it| it.state)).collect()
    };
    let before = adapter.requests();
    assert_eq!(states(&[&one, &other]).await, [Ok(Reported::Running), Ok(Reported::Succeeded)]);
    assert_eq!(adapter.requests(), before + 1);
    // The steps of one that has failed are asked for.
    adapter.set_state(failed, State::Failed);
    assert_eq!(states(&[&one, &other]).await, [Ok(Reported::Running), Ok(Reported::Failed)]);
    assert_eq!(adapter.requests(), before + 3);
    // One that is not listed yet is asked for, too.
    adapter.world::<World, _>(|world| world.list_lag_ms = 3_600_000);
    assert_eq!(states(&[&one, &other]).await, [Ok(Reported::Running), Ok(Reported::Failed)]);
    assert_eq!(adapter.requests(), before + 6);
    // A list that is refused says nothing about its runs.
    adapter.fail_next("GET", "/runs/", Action::Respond(Response::html(404, "no")));
    let refused = states(&[&one, &other]).await;
    assert!(refused.iter().all(|it| it.as_ref().is_err_and(|it| !it.is_gone())), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn poisoned_links_and_answers_about_others_are_not_taken_over() {
    let adapter = adapter();
    let (run, number) = adapter.started(OUR_ID).await;
    let answer = |id: u64| {
        let message = format!("dbtc_{}", "x".repeat(40));
        let data = json!({"id": id, "status": 3, "href": "javascript:alert(1)",
            "status_humanized": "<b>{x}</b>", "status_message": message});
        Action::Respond(Response::json(200, &json!({"data": data})))
    };
    adapter.fail_next("GET", "/runs/", answer(number));
    let observed = adapter.poll(&run).await.unwrap();
    assert_eq!((observed.url, observed.state), (None, Reported::Running));
    assert_eq!(observed.description.as_deref(), Some("bx/b: [secret]"));
    adapter.fail_next("GET", "/runs/", answer(number + 1));
    let other = adapter.poll(&run).await;
    assert!(matches!(other, Err(Error::Ambiguous { .. })), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_before_while_and_after_it_runs() {
    for state in [State::Queued, State::Running, State::Succeeded] {
        for late in [Some(400), Some(404), None] {
            let world = world_with(|world| world.refuses_late_cancel = late);
            let adapter = adapter_of(world, |_, _| {});
            let (run, number) = adapter.started(OUR_ID).await;
            adapter.set_state(number, state);
            assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done), "{state:?}");
            let expected = if state.is_final() { state } else { State::Cancelled };
            let after = adapter.system(|system| system.builds().get(number).unwrap().state);
            assert_eq!(after, expected);
            adapter.system(|system| system.builds().delete(number));
            assert_eq!(adapter.systems.cancel(NAME, &run).await, Ok(Cancelled::Done));
        }
    }
    let adapter = adapter_of(World::new(3), |world, options| {
        options.token = Secret::new(world.read_only_token().to_owned());
    });
    let run = Run { ci_id: Some("70403104000001".to_owned()), ..adapter.run(OUR_ID) };
    adapter.system(|system| {
        let build = fakes::systems::Build {
            number: 0,
            run: OUR_ID.to_owned(),
            commit: String::new(),
            git_ref: String::new(),
            inputs: Default::default(),
            state: State::Running,
            started_ms: 0,
            cancels: 0,
            is_gone: false,
        };
        let number = system.builds().add(build).number;
        assert_eq!(run.ci_id, Some(number.to_string()));
    });
    let refused = adapter.systems.cancel(NAME, &run).await.unwrap_err();
    assert_eq!(refused.to_string(), "You do not have permission to perform this action. (403)");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_the_words_of_dbt_cloud() {
    let adapter = adapter();
    let push = adapter.refusal(&of_push(adapter.run(OUR_ID))).await;
    let words = "A CI job requires a pull request id and either a git_sha or a git_branch. (400)";
    assert_eq!(push, words);
    let run = adapter.run(OUR_ID);
    let of = run.pull_request.clone().map(|of| OfPullRequest { is_fork: true, ..of });
    let fork = adapter.refusal(&Run { pull_request: of, ..run.clone() }).await;
    assert!(fork.starts_with("the pull request comes from a fork"), "{fork}");
    let inputs = adapter.refusal(&with_input(run.clone(), "smoke")).await;
    assert_eq!(inputs, "inputs are variables of the steps, and there are no steps");
    let fields = Response::json(
        400,
        &json!({"status": {"user_message": "The request was invalid."},
        "data": {"cause": ["This field may not be blank."]}}),
    );
    adapter.fail_next("POST", "/run/", Action::Respond(fields));
    assert_eq!(adapter.refusal(&run).await, "cause: This field may not be blank. (400)");
    let elsewhere = fakes::faults::redirect_302("https://elsewhere.example/");
    adapter.fail_next("POST", "/run/", elsewhere);
    let redirect = adapter.refusal(&run).await;
    assert_eq!(redirect, "it redirects (302): write the address that it really has");
    for (change, words) in [
        (
            (|world: &mut World| world.is_job_deleted = true) as fn(&mut World),
            "The requested resource was not found. Please check that you have the proper \
             permissions. (404)",
        ),
        (|world: &mut World| world.is_locked = true, "This account is locked. (403)"),
        (World::revoke_tokens, "Invalid token. (401)"),
    ] {
        adapter.world::<World, _>(change);
        assert_eq!(adapter.refusal(&run).await, words);
    }
    assert_eq!(adapter.builds(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_pause_the_account_for_five_minutes() {
    let adapter = adapter();
    let (run, _) = adapter.started(OUR_ID).await;
    let now = adapter.clock.now();
    adapter.world::<World, _>(|world| world.lock_out(now.ms()));
    let refused = adapter.poll(&run).await.unwrap_err();
    assert_eq!(refused.to_string(), "Too many requests. Please try again later. (429)");
    let Err(Error::Paused { until, .. }) = adapter.poll(&run).await else {
        panic!("the account is not paused");
    };
    assert!(until.since(now) >= Duration::from_secs(300), "{until:?}");
    adapter.assert_paused(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_signed_callbacks_are_believed() {
    let adapter = adapter();
    let (_, number) = adapter.started(OUR_ID).await;
    adapter.set_state(number, State::Succeeded);
    let ours = Ok(vec![Mentioned::AtCi(number.to_string())]);
    assert_eq!(adapter.callback(number, |_| {}), ours);
    let wrong = [
        adapter.callback(number, |request| request.body.push(b' ')),
        adapter.callback(number, |request| replace_header(request, "authorization", "00")),
        adapter.callback(number, |request| request.headers.clear()),
    ];
    assert!(wrong.iter().all(|it| *it == Err(CallbackError::Unauthorized)), "{wrong:?}");
    let without = adapter_of(World::new(3), |_, options| options.webhook_secrets.clear());
    let (_, number) = without.started(OUR_ID).await;
    without.set_state(number, State::Succeeded);
    assert_eq!(without.callback(number, |_| {}), Err(CallbackError::Unexpected));
}

#[tokio::test(flavor = "multi_thread")]
async fn ci_check_says_what_is_wrong() {
    let adapter = adapter();
    let (problems, notes) = adapter.check().await;
    assert!(
        problems.is_empty() && notes.iter().any(|it| it.contains("Pull requests")),
        "{notes:?}"
    );
    adapter.world::<World, _>(|world| world.has_own_trigger = true);
    let (problems, _) = adapter.check().await;
    assert!(problems.len() == 1 && problems[0].contains("run twice"), "{problems:?}");
    adapter.world::<World, _>(World::revoke_tokens);
    assert_eq!(adapter.check().await.0, ["Invalid token. (401)"]);
    let absent = adapter_of(World::new(3), |_, options| options.job += 1);
    assert!(absent.check().await.0[0].contains("not found"));
    assert_eq!(absent.builds() + adapter.builds(), 0);
}
