//! A build, and the builds of one system.

use serde_json::{Map, Value};

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits, in a queue or for a machine.
    Queued,
    Running,
    Succeeded,
    /// The code under test is at fault.
    Failed,
    /// The system or its configuration is at fault.
    Errored,
    Cancelled,
}

impl State {
    /// Whether the build has ended.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// One build.
#[derive(Debug, Clone)]
pub struct Build {
    /// Its id at the system, counted from 1 unless the system counts otherwise.
    pub number: u64,
    /// The run id of the gateway, as it arrived; empty where none did.
    pub run: String,
    /// The commit that was asked for, where the system can be asked for one.
    pub commit: String,
    /// The branch or ref that was asked for.
    pub git_ref: String,
    /// Inputs, parameters or variables, as they arrived.
    pub inputs: Map<String, Value>,
    pub state: State,
    /// When it was started, in milliseconds since 1970.
    pub started_ms: i64,
    /// How often it was asked to cancel while it had not ended.
    pub cancels: u32,
    /// It was deleted: the system does not know it any more.
    pub is_gone: bool,
}

/// The builds of one system, oldest first.
#[derive(Debug, Clone)]
pub struct Builds {
    all: Vec<Build>,
    /// The number of the next build.
    next: u64,
    /// In which state builds begin.
    pub initial: State,
    /// Whether a running build ends at once when it is asked to cancel. Otherwise it goes on until
    /// the test ends it.
    pub cancels_at_once: bool,
}

impl Builds {
    /// None yet; the first will have that number.
    pub fn numbered_from(first: u64) -> Self {
        Self { all: Vec::new(), next: first, initial: State::Queued, cancels_at_once: true }
    }

    /// Sets the number of the next build, for a system that numbers across several of these.
    pub(crate) fn number_next(&mut self, number: u64) {
        self.next = number;
    }

    /// Adds a build. Its number and state are set here. Returns it.
    pub fn add(&mut self, build: Build) -> Build {
        let build = Build { number: self.next, state: self.initial, ..build };
        self.next += 1;
        self.all.push(build.clone());
        build
    }

    /// All that were started, deleted ones included.
    pub fn all(&self) -> &[Build] {
        &self.all
    }

    /// The build of that number, unless it was deleted.
    pub fn get(&self, number: u64) -> Option<&Build> {
        self.all.iter().find(|build| build.number == number && !build.is_gone)
    }

    /// Those that carry that run id, oldest first, without deleted ones.
    pub fn of_run<'a>(&'a self, run: &'a str) -> impl DoubleEndedIterator<Item = &'a Build> {
        self.all.iter().filter(move |build| build.run == run && !build.is_gone)
    }

    /// Moves a build on, as the system itself does.
    pub fn set_state(&mut self, number: u64, state: State) {
        if let Some(build) = self.all.iter_mut().find(|build| build.number == number) {
            build.state = state;
        }
    }

    /// Deletes a build.
    pub fn delete(&mut self, number: u64) {
        if let Some(build) = self.all.iter_mut().find(|build| build.number == number) {
            build.is_gone = true;
        }
    }

    /// Asks a build to cancel. Returns it afterwards; none when it is unknown. One that has ended
    /// stays as it is.
    pub fn cancel(&mut self, number: u64) -> Option<Build> {
        let at_once = self.cancels_at_once;
        let build = self.all.iter_mut().find(|build| build.number == number && !build.is_gone)?;
        if !build.state.is_final() {
            build.cancels += 1;
            if at_once || build.state == State::Queued {
                build.state = State::Cancelled;
            }
        }
        Some(build.clone())
    }
}
