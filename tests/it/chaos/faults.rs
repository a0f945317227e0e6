//! Faults of the fakes, drawn from a seed: what Azure DevOps answers and when it delivers, and what
//! the CI does with its runs. Answers that pause an organization for long (a sign-in page, 429
//! without `Retry-After`) have tests of their own.

use fakes::ado::World;
use fakes::ci::Behaviour;
use fakes::faults::{
    Action, Rule, rate_limited_200, server_error_500, too_many_requests, unavailable_503,
};
use fakes::random::Random;

use crate::harness::Env;

const PATS: &str = "/_apis/tokens/pats";
const BEHAVIOURS: [Behaviour; 9] = [
    Behaviour::Fail,
    Behaviour::Error,
    Behaviour::Cancel,
    Behaviour::ReportBeforeAnswer,
    Behaviour::ReportTwice,
    Behaviour::ContradictLate,
    Behaviour::AnswerWithoutId,
    Behaviour::GarbageAnswer,
    Behaviour::Unavailable { times: 1, retry_after_s: 1 },
];

/// Injects faults into Azure DevOps and the CI.
pub(super) fn inject(env: &Env, random: &mut Random) {
    let percent =
        |random: &mut Random, most: u64| u8::try_from(random.below(most + 1)).unwrap_or(0);
    env.shell.ado(|ado| {
        ado.options.duplicate_percent = percent(random, 40);
        ado.options.delivery_jitter_ms = random.below(300);
        for path in ["/statuses", "/iterations"] {
            for (action, most) in [
                (server_error_500(), 8),
                (unavailable_503(0), 8),
                (unavailable_503(1), 4),
                (too_many_requests(1), 2),
                (rate_limited_200(1), 2),
                (Action::DropBefore, 8),
                (Action::DropAfter, 8),
                (Action::TruncateBody, 8),
                (Action::DelayMs(random.below(60)), 30),
            ] {
                ado.faults.add(Rule::new("", path, action).percent(percent(random, most)));
            }
        }
    });
    env.shell.ci(|ci| {
        for (action, most) in [
            (server_error_500(), 8),
            (unavailable_503(1), 4),
            (Action::DropBefore, 8),
            (Action::DropAfter, 8),
            (Action::TruncateBody, 8),
            (Action::DelayMs(random.below(60)), 30),
        ] {
            ci.faults.add(Rule::new("", "/start", action).percent(percent(random, most)));
        }
        let refuse = Behaviour::Refuse { status: 422, text: "no such pipeline".to_owned() };
        for _ in 0..60 {
            let one = match random.below(20) {
                one @ 0..9 => BEHAVIOURS.get(usize::try_from(one).unwrap_or(0)).unwrap_or(&refuse),
                9 => &refuse,
                _ => &Behaviour::Succeed,
            };
            ci.next(1, one);
        }
        ci.options.final_after_ms = i64::try_from(random.below(200)).unwrap_or(0);
    });
}

/// Injects faults into minting, revoking, and the renewal of the access token.
pub(super) fn inject_for_linked(env: &Env, random: &mut Random) {
    let faults = |random: &mut Random| {
        [
            (server_error_500(), 8),
            (unavailable_503(0), 8),
            (unavailable_503(1), 4),
            (Action::DropBefore, 8),
            (Action::DropAfter, 8),
            (Action::TruncateBody, 8),
            (Action::DelayMs(random.below(60)), 30),
        ]
        .map(|(action, most)| (action, u8::try_from(random.below(most + 1)).unwrap_or(0)))
    };
    env.shell.ado(|ado| {
        for (action, percent) in faults(random) {
            ado.faults.add(Rule::new("", PATS, action).percent(percent));
        }
        // New tokens are accepted only after a delay, and the access token ends early.
        ado.pat_rules.delay_ms = i64::try_from(random.below(250)).unwrap_or(0);
        ado.fail_minting("failedToIssueAccessToken", 2);
        ado.end_bearers();
    });
    env.shell.entra(|entra| {
        for (action, percent) in faults(random) {
            entra.faults.add(Rule::new("", "/oauth2/v2.0/token", action).percent(percent));
        }
        entra.options.access_token_s = (1, 3);
    });
}

/// Ends all faults.
pub(super) fn clear(env: &Env) {
    env.shell.ado(|ado| {
        ado.faults.clear();
        ado.options.duplicate_percent = 0;
        ado.options.delivery_jitter_ms = 0;
        ado.pat_rules.delay_ms = 0;
    });
    env.shell.entra(|entra| {
        entra.faults.clear();
        entra.options.access_token_s = (3_600, 5_400);
    });
    env.shell.ci(|ci| ci.faults.clear());
}

/// Tokens whose mint answer was lost, so that the gateway may not know them.
pub(super) fn unanswered_mints(ado: &World) -> usize {
    let lost = ["drop_after", "truncate_body"].map(Some);
    let mints = ado.journal.entries().filter(|one| one.method == "POST");
    mints.filter(|one| one.target.contains(PATS) && lost.contains(&one.fault)).count()
}

/// Attempted deliveries.
pub(super) fn deliveries(ado: &World) -> usize {
    let attempts = ado.subscriptions().flat_map(|one| ado.notifications(&one.id));
    attempts.map(|notification| notification.attempts.len()).sum()
}
