//! Decides about a comment on a pull request: which of its lines are commands, whether its author
//! may give them, and what they change.
//!
//! Azure DevOps is asked only where there is something to obey. Who may is the one who wrote the
//! comment, whoever opened the pull request.

use std::time::Duration;

use super::super::audit::{Action, Actor, Entry, Outcome as Ended, Via};
use super::super::check::{Check, Forks, Trigger};
use super::super::check_outcome::CheckOutcome;
use super::super::command::{COMMANDS_MAX, Command, commands};
use super::super::comment::Comment;
use super::super::event::{Event, short};
use super::super::id::RunId;
use super::super::pull_request::{PullRequest, Status};
use super::super::question::{AboutComment, Iteration, Question};
use super::super::run::{self, Advance, Run, State};
use super::super::status::{self, Context, Shown, Target};
use super::super::text::cut;
use super::super::time::{CLOCKS_DIFFER, Timestamp};
use super::pull_request::{Occasion, Step};
use super::{Decision, KnownPullRequest, Observation, Outcome, Remembered, Source, is_of};

/// A comment that a hook delivers so long after it was written starts nothing any more.
const AGE_MAX: Duration = Duration::from_secs(3_600);
/// Characters of a command in a reason and in the audit log.
const WORDS_CHARS_MAX: usize = 120;
/// Characters of an answer.
const ANSWER_CHARS_MAX: usize = 4_000;
/// Genre and name of answers among the statuses.
const ANSWER: [&str; 2] = ["azdo-gateway", "answer"];

const HELP: &str = "Commands, each on a line of its own:\n\n\
    - `/retest`: runs again what did not succeed; `/retest CHECK` runs that check again\n\
    - `/cancel`: cancels what runs; `/cancel CHECK` cancels that check\n\
    - `/ok-to-test`: approves the code of a fork as it was when you wrote the comment; \
    `/ok-to-test COMMIT` approves that commit, of which eight characters are enough\n\
    - `/status`: says how far the checks are\n\n\
    They are obeyed for whoever may contribute to the repository.";

/// Decides about a comment.
pub fn on_comment(
    checks: &[Check],
    observation: &Observation<'_>,
    told: &Comment,
    known: &KnownPullRequest,
    new_id: &mut dyn FnMut() -> RunId,
    now: Timestamp,
) -> Decision {
    let watching: Vec<&Check> = checks
        .iter()
        .filter(|check| check.obeys_commands())
        .filter(|check| {
            let Observation { organization, former_names, .. } = observation;
            check.watches(organization, &told.repository, former_names)
        })
        .collect();
    let reader = Reader { observation, known, watching: &watching, now };
    let read = match reader.read(told) {
        Err(decision) => return *decision,
        Ok(read) => read,
    };
    let Some(answer) = observation.answers.comment() else {
        let needs_iterations =
            read.commands.iter().any(|command| matches!(command, Command::OkToTest(_)));
        let question = Question::Comment { comment: told.clone(), needs_iterations };
        let why = headline(told, "its author and its text are looked up");
        let nothing = reader.nothing(Outcome::Ignored, why);
        return Decision { questions: vec![question], ..nothing };
    };
    let AboutComment { comment, is_own, may, iterations } = match answer {
        Ok(answer) => answer,
        Err(why) => {
            let why = format!("nobody is permitted anything, since the look-up failed: {why}");
            let refused = reader.refuse(told, &read, Ended::Failed, &why);
            return Decision { is_early: true, ..refused };
        }
    };
    let Some(comment) = comment else {
        return reader.nothing(Outcome::Ignored, headline(told, "it was deleted"));
    };
    // The delivery was a hint: what Azure DevOps shows counts.
    let read = match reader.read(comment) {
        Err(decision) => return *decision,
        Ok(read) => read,
    };
    if *is_own {
        let why = "the gateway does not obey its own account";
        let refused = reader.refuse(comment, &read, Ended::Refused, why);
        return Decision { audit: Vec::new(), ..refused };
    }
    if !may {
        let why = format!(
            "{} may not contribute to {}/{} (GenericContribute)",
            comment.author.name(),
            comment.repository.project,
            comment.repository.name
        );
        return reader.refuse(comment, &read, Ended::Refused, &why);
    }
    let work = Work {
        observation,
        comment,
        checks: &watching,
        known: known.clone(),
        next: read.remembered.pull_request.clone(),
        now,
        decision: reader.nothing(Outcome::Ignored, String::new()),
        started: Vec::new(),
    };
    work.obey(&read, iterations, new_id)
}

/// `pull request 7: a comment by Jo Doe: why`.
fn headline(comment: &Comment, why: &str) -> String {
    let Comment { pull_request, author, .. } = comment;
    format!("pull request {pull_request}: a comment by {}: {why}", author.name())
}

/// A comment with commands, and what is known of its pull request.
struct Read<'a> {
    commands: Vec<Command>,
    published_at: Timestamp,
    remembered: &'a Remembered,
}

struct Reader<'a> {
    observation: &'a Observation<'a>,
    known: &'a KnownPullRequest,
    watching: &'a [&'a Check],
    now: Timestamp,
}

impl<'a> Reader<'a> {
    fn nothing(&self, outcome: Outcome, why: String) -> Decision {
        Decision::nothing(outcome, Event::PullRequestCommented, why)
    }

    /// The commands of a comment that are to be obeyed if its author may give them; otherwise the
    /// decision why there are none.
    fn read(&self, comment: &Comment) -> Result<Read<'a>, Box<Decision>> {
        let nothing =
            |outcome, why: &str| Err(Box::new(self.nothing(outcome, headline(comment, why))));
        let ignored = |why: &str| nothing(Outcome::Ignored, why);
        let commands = commands(&comment.content);
        if comment.is_deleted {
            return ignored("it was deleted");
        }
        if comment.is_system {
            return ignored("Azure DevOps wrote it itself");
        }
        if commands.is_empty() {
            return ignored("no command in it");
        }
        if self.watching.is_empty() {
            return ignored("no check obeys commands here (commands)");
        }
        if self.observation.source == Source::Replay {
            return ignored("a command is obeyed when it is written, and not when it is replayed");
        }
        let Some(published_at) = comment.published_at else {
            return ignored("it does not say when it was published");
        };
        if comment.is_edited {
            return ignored("it was edited: write a new comment");
        }
        // A delivery is dated by its arrival where it claims to be later.
        let at = self.observation.at;
        if published_at > at.plus(CLOCKS_DIFFER) {
            return ignored("it says that it was published later than it arrived");
        }
        let is_old = published_at < self.now.minus(AGE_MAX);
        if is_old && self.observation.source != Source::CatchUp {
            return ignored("it was published more than an hour ago");
        }
        if self.observation.is_past().is_some() {
            return ignored("it was there before the repository was watched");
        }
        let Some(remembered) = &self.known.remembered else {
            let why = headline(comment, "nothing is known of the pull request yet");
            let early = self.nothing(Outcome::Ignored, why);
            return Err(Box::new(Decision { is_early: true, ..early }));
        };
        let pull_request = &remembered.pull_request;
        if pull_request.acted_on.has(comment, published_at) {
            return nothing(Outcome::Duplicate, "it was acted on already");
        }
        if pull_request.status != Status::Active {
            return ignored("the pull request is closed");
        }
        Ok(Read { commands, published_at, remembered })
    }

    /// Obeys nothing, and remembers that.
    fn refuse(&self, comment: &Comment, read: &Read<'_>, ended: Ended, why: &str) -> Decision {
        let words = listed(&read.commands);
        let reason = headline(comment, &format!("{words} refused: {why}"));
        let mut next = read.remembered.pull_request.clone();
        next.acted_on.add(comment, read.published_at);
        let organization = self.observation.organization;
        let entry = |command: &Command| {
            let detail = detail(comment, command, why);
            entry(self.now, organization, comment, ended, detail)
        };
        Decision {
            pull_request: Some(Remembered { pull_request: next, as_of: read.remembered.as_of }),
            audit: read.commands.iter().map(entry).collect(),
            ..self.nothing(Outcome::Ignored, reason)
        }
    }
}

fn listed(commands: &[Command]) -> String {
    let words: Vec<String> = commands.iter().map(words).collect();
    words.join(", ")
}

fn words(command: &Command) -> String {
    cut(&command.to_string(), WORDS_CHARS_MAX)
}

/// `/retest unit on pull request 7 of Fabrikam/web: unit started`.
fn detail(comment: &Comment, command: &Command, outcome: &str) -> String {
    let Comment { repository, pull_request, .. } = comment;
    let (project, name) = (&repository.project, &repository.name);
    format!("{} on pull request {pull_request} of {project}/{name}: {outcome}", words(command))
}

fn entry(
    now: Timestamp,
    organization: &str,
    comment: &Comment,
    ended: Ended,
    detail: String,
) -> Entry {
    let actor = Actor { name: comment.author.account().to_owned(), via: Via::Comment };
    let entry = Entry::new(now, organization, Action::Command, ended).by(actor);
    Entry { detail, ..entry }
}

/// The working set of one comment: each command sees what those before it have done.
struct Work<'a> {
    observation: &'a Observation<'a>,
    comment: &'a Comment,
    checks: &'a [&'a Check],
    known: KnownPullRequest,
    next: PullRequest,
    now: Timestamp,
    decision: Decision,
    /// Names of the checks that this comment has started.
    started: Vec<RunId>,
}

/// What a command did, or why it did nothing: a clause.
type Done = Result<String, String>;

impl Work<'_> {
    fn obey(
        mut self,
        read: &Read<'_>,
        iterations: &[Iteration],
        new_id: &mut dyn FnMut() -> RunId,
    ) -> Decision {
        let (mut reasons, mut answers) = (Vec::new(), Vec::new());
        for command in &read.commands {
            let before = self.decision.planned.len();
            let done = match command {
                Command::Retest(name) => self.retest(name.as_deref(), new_id),
                Command::Cancel(name) => self.cancel(name.as_deref()),
                Command::OkToTest(commit) => {
                    self.approve(commit.as_deref(), read.published_at, iterations, new_id)
                }
                Command::Status => Ok(self.state()),
                Command::Help => Ok("answered".to_owned()),
            };
            let (ended, said) = match done {
                Ok(said) => (Ended::Done, said),
                Err(why) => (Ended::Refused, why),
            };
            let organization = self.observation.organization;
            let detail = detail(self.comment, command, &said);
            let mut entry = entry(self.now, organization, self.comment, ended, detail);
            entry.run = match self.decision.planned.get(before..) {
                Some([run]) => Some(run.id),
                _ => None,
            };
            self.decision.audit.push(entry);
            reasons.push(format!("{}: {said}", words(command)));
            answers.push(match command {
                Command::Help => HELP.to_owned(),
                _ => format!("`{}`: {said}", words(command).replace('`', "'")),
            });
        }
        if read.commands.len() == COMMANDS_MAX {
            reasons.push(format!("no more than {COMMANDS_MAX} commands of a comment count"));
        }
        let reply = self.reply(&answers);
        self.next.acted_on.add(self.comment, read.published_at);
        let planned = !self.decision.planned.is_empty();
        let pull_request = Remembered { pull_request: self.next, as_of: read.remembered.as_of };
        let mut decision = self.decision;
        decision.without_run.extend(reply);
        Decision {
            outcome: if planned { Outcome::Started } else { Outcome::Ignored },
            reason: headline(self.comment, &reasons.join("; ")),
            pull_request: Some(pull_request),
            ..decision
        }
    }

    /// The answer in the thread of the comment, where a check wants it.
    fn reply(&self, answers: &[String]) -> Option<status::Status> {
        if !self.checks.iter().any(|check| check.replies) {
            return None;
        }
        let Comment { repository, pull_request, thread, id, .. } = self.comment;
        let text = answers.join("\n\n");
        let [genre, name] = ANSWER.map(str::to_owned);
        Some(status::Status {
            organization: self.observation.organization.to_owned(),
            project: repository.project_id.clone(),
            repository: repository.id.clone(),
            target: Target::Comment { pull_request: *pull_request, thread: *thread, comment: *id },
            context: Context { genre, name },
            state: Shown::Succeeded,
            description: text.chars().take(ANSWER_CHARS_MAX).collect(),
            url: None,
            run: None,
        })
    }

    /// The checks of that name, or `genre/name`; all without a name.
    fn named(&self, name: Option<&str>) -> Result<Vec<&Check>, String> {
        let all = || self.checks.iter().copied();
        let Some(wanted) = name else { return Ok(all().collect()) };
        let is = |name: &str| name.to_lowercase() == wanted.to_lowercase();
        let found: Vec<_> = all()
            .filter(|check| is(&check.name) || is(&format!("{}/{}", check.genre, check.name)))
            .collect();
        if found.is_empty() {
            let names: Vec<_> = all().map(|check| check.name.as_str()).collect();
            let names = names.join(", ");
            return Err(format!("no such check obeys commands here; these do: {names}"));
        }
        Ok(found)
    }

    fn retest(&mut self, name: Option<&str>, new_id: &mut dyn FnMut() -> RunId) -> Done {
        let Some(commit) = self.next.source_commit.clone() else {
            return Err("the head of its source branch is not known".into());
        };
        let checks: Vec<Check> = self.named(name)?.into_iter().cloned().collect();
        let mut said = Vec::new();
        for check in checks {
            let newest = self.newest(&check, &commit).map(|run| (run.id, run.state));
            let word = &check.name;
            if !check.is_on(Trigger::PullRequest) {
                said.push(format!("{word} starts when the pull request is closed"));
                continue;
            }
            match newest {
                Some((id, _)) if self.started.contains(&id) => {
                    said.push(format!("{word} was started by this comment"));
                    continue;
                }
                None if name.is_none() => {
                    said.push(format!("{word} has not run on {}", short(&commit)));
                    continue;
                }
                Some((_, state)) if name.is_none() && !state.is_final() => {
                    said.push(format!("{word} goes on"));
                    continue;
                }
                Some((_, State::Succeeded)) if name.is_none() => {
                    said.push(format!("{word} has succeeded"));
                    continue;
                }
                _ => {}
            }
            let started = self.start(&check, Occasion::New, "/retest", new_id);
            said.push(match started {
                Ok(()) => format!("{word} started"),
                Err(why) => format!("{word} not started: {why}"),
            });
        }
        self.said(said)
    }

    /// What was done about each check; refused where nothing was.
    fn said(&self, said: Vec<String>) -> Done {
        if said.is_empty() {
            Err("no check obeys commands here".into())
        } else {
            Ok(said.join(", "))
        }
    }

    fn newest(&self, check: &Check, commit: &str) -> Option<&Run> {
        let of_commit = |run: &&Run| is_of(run, check) && run.commit == commit;
        self.known.runs.iter().filter(of_commit).max_by_key(|run| run.id)
    }

    /// Plans a run of the head, which replaces one that goes on.
    fn start(
        &mut self,
        check: &Check,
        occasion: Occasion,
        word: &str,
        new_id: &mut dyn FnMut() -> RunId,
    ) -> Result<(), String> {
        let mut step =
            Step::new(self.observation, &self.next, &self.known, &[], (new_id, self.now));
        let started = step.start(check, occasion);
        let (questions, shown_again) = (step.questions, step.shown_again);
        self.decision.questions.extend(questions);
        self.decision.shown_again.extend(shown_again);
        let mut run = started.map_err(|obstacle| obstacle.mismatch.why)?;
        let who = self.comment.author.name();
        run.reason = format!("{word} by {who} at {}", short(&run.commit));
        run.description = Some(format!("Queued: {word} by {who}"));
        let is_replaced = |old: &Run| {
            is_of(old, check)
                && !old.state.is_final()
                && (old.commit == run.commit || check.supersede)
        };
        self.end_where(is_replaced, |old, now| run::supersede(old, &run, now));
        self.started.push(run.id);
        self.decision.checks.push(CheckOutcome::started(&run, ""));
        self.known.runs.push(run.clone());
        self.decision.planned.push(run);
        Ok(())
    }

    /// Ends runs that the store has. Returns the names of their checks.
    fn end_where(
        &mut self,
        is_meant: impl Fn(&Run) -> bool,
        end: impl Fn(&Run, Timestamp) -> Advance,
    ) -> Vec<String> {
        let mut names = Vec::new();
        for run in &mut self.known.runs {
            if self.started.contains(&run.id) || !is_meant(run) {
                continue;
            }
            if let Advance::To(ended) = end(run, self.now) {
                *run = *ended;
                names.push(run.check.clone());
                self.decision.ended.push(run.clone());
            }
        }
        names
    }

    fn cancel(&mut self, name: Option<&str>) -> Done {
        let checks: Vec<Check> = self.named(name)?.into_iter().cloned().collect();
        let why = format!("by {}", self.comment.author.name());
        let is_meant =
            |run: &Run| !run.state.is_final() && checks.iter().any(|check| is_of(run, check));
        let end = |run: &Run, now| run::end(run, State::Cancelled, why.clone(), now);
        let names = self.end_where(is_meant, end);
        if names.is_empty() {
            return Err("nothing runs that could be cancelled".into());
        }
        Ok(format!("{} cancelled", names.join(", ")))
    }

    fn approve(
        &mut self,
        named: Option<&str>,
        published_at: Timestamp,
        iterations: &[Iteration],
        new_id: &mut dyn FnMut() -> RunId,
    ) -> Done {
        if !self.next.is_fork {
            return Err("it does not come from a fork, so there is nothing to approve".into());
        }
        let (commit, since) =
            head(iterations).ok_or("Azure DevOps does not say what its newest commit is")?;
        // Whoever names the commit has looked at it, whenever it was pushed.
        let is_meant = match named {
            Some(named) => is_commit(named, commit),
            None => since.is_some_and(|since| since.plus(CLOCKS_DIFFER) < published_at),
        };
        if !is_meant {
            let remedy = format!("/ok-to-test {}", short(commit));
            let why = match named {
                Some(_) => format!("the newest commit is another one: {remedy} approves it"),
                None => format!(
                    "{} was pushed less than 5 s before the comment or later: look at it, and \
                     {remedy} approves it",
                    short(commit)
                ),
            };
            self.show_waiting(commit, &why);
            return Err(why);
        }
        self.next.approved_commit = Some(commit.to_owned());
        let approved = format!("{} approved", short(commit));
        if self.next.source_commit.as_deref() != Some(commit) {
            return Ok(format!("{approved}; its checks start when its push is delivered"));
        }
        let waiting = |check: &&&Check| check.forks == Forks::Approve;
        let waiting: Vec<Check> =
            self.checks.iter().filter(waiting).map(|check| (*check).clone()).collect();
        let mut said = vec![approved];
        for check in waiting.iter().filter(|check| check.is_on(Trigger::PullRequest)) {
            said.push(match self.start(check, Occasion::Renewed, "/ok-to-test", new_id) {
                Ok(()) => format!("{} started", check.name),
                Err(why) => format!("{} not started: {why}", check.name),
            });
        }
        Ok(said.join(", "))
    }

    /// Shows on the head of a fork what its approval still needs.
    fn show_waiting(&mut self, commit: &str, why: &str) {
        let words = format!("Waits for approval: {why}");
        for check in self.checks.iter().filter(|check| check.targets.pull_request) {
            let has_run = self.newest(check, commit).is_some();
            if check.forks != Forks::Approve || has_run {
                continue;
            }
            let organization = self.observation.organization;
            let shown = (Shown::Pending, words.as_str());
            let shown = status::without_run(organization, check, &self.next, commit, shown);
            self.decision.without_run.push(shown);
        }
    }

    /// How far each check is.
    fn state(&self) -> String {
        let commit = self.next.source_commit.as_deref().unwrap_or_default();
        let of = |check: &&Check| match self.newest(check, commit) {
            Some(run) => format!("{} is {} ({})", check.name, run.state, run.reason),
            None => match check.admits(&self.next) {
                Ok(()) => format!("{} has not run", check.name),
                Err(mismatch) => format!("{} has not run: {}", check.name, mismatch.why),
            },
        };
        let all: Vec<_> = self.checks.iter().map(of).collect();
        format!("at {}: {}", short(commit), all.join("; "))
    }
}

/// The newest source commit, and since when it is the head. A retarget makes an iteration with the
/// same commit, and nothing new to look at.
fn head(iterations: &[Iteration]) -> Option<(&str, Option<Timestamp>)> {
    let commit = iterations.last()?.source_commit.as_deref()?;
    let is_it = |one: &&Iteration| one.source_commit.as_deref() == Some(commit);
    let since = iterations.iter().rev().take_while(is_it).last()?.made_at;
    Some((commit, since))
}

/// Whether somebody who wrote this meant the commit.
fn is_commit(written: &str, commit: &str) -> bool {
    let is_hex = written.bytes().all(|byte| byte.is_ascii_hexdigit());
    written.len() >= 8 && is_hex && commit.starts_with(&written.to_ascii_lowercase())
}
