//! What Azure DevOps has to be asked before a decision, and what it answered.
//!
//! A decision that needs an answer says so and is made again with it, so that rules stay pure and
//! nothing is asked that does not matter.

use std::collections::BTreeMap;

use super::changed_files::{ChangedFiles, Comparison};
use super::comment::Comment;
use super::time::Timestamp;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which files differ?
    ChangedFiles(Comparison),
    /// Is the comment still like this, and may its author give commands?
    Comment {
        comment: Comment,
        /// What the head of the pull request is matters, too.
        needs_iterations: bool,
    },
}

/// What Azure DevOps says about a comment with commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AboutComment {
    /// As it is now; none where it is gone.
    pub comment: Option<Comment>,
    /// The gateway's own account wrote it.
    pub is_own: bool,
    /// Its author may contribute to the repository.
    pub may: bool,
    /// Those of the pull request, oldest first, where they were asked for.
    pub iterations: Vec<Iteration>,
}

/// A version of the code of a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Iteration {
    /// Head of the source branch.
    pub source_commit: Option<String>,
    pub made_at: Option<Timestamp>,
}

/// The answers so far.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    files: BTreeMap<Comparison, ChangedFiles>,
    /// Why it could not be asked, or the answer.
    comment: Option<Result<AboutComment, String>>,
}

impl Answers {
    /// Those of somebody who has asked nothing.
    pub fn none() -> &'static Answers {
        static NONE: Answers = Answers { files: BTreeMap::new(), comment: None };
        &NONE
    }

    /// The files that differ; none where that was not asked.
    pub fn changed_files(&self, comparison: &Comparison) -> Option<&ChangedFiles> {
        self.files.get(comparison)
    }

    /// Adds an answer.
    pub fn add_changed_files(&mut self, comparison: Comparison, files: ChangedFiles) {
        self.files.insert(comparison, files);
    }

    /// What is known about the comment that is decided about, or why that could not be asked; none
    /// where it was not.
    pub fn comment(&self) -> Option<&Result<AboutComment, String>> {
        self.comment.as_ref()
    }

    /// Adds an answer.
    pub fn add_comment(&mut self, answer: Result<AboutComment, String>) {
        self.comment = Some(answer);
    }

    /// Answers each question with why it cannot be asked.
    pub fn add_unknown(&mut self, questions: &[Question], why: &str) {
        for question in questions {
            match question {
                Question::ChangedFiles(comparison) => {
                    let files = ChangedFiles::Unknown(why.to_owned());
                    self.add_changed_files(comparison.clone(), files);
                }
                Question::Comment { .. } => self.add_comment(Err(why.to_owned())),
            }
        }
    }
}
