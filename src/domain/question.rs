//! What Azure DevOps has to be asked before a decision, and what it answered.
//!
//! A decision that needs an answer says so and is made again with it, so that rules stay pure and
//! nothing is asked that does not matter.

use std::collections::BTreeMap;

use super::changed_files::{ChangedFiles, Comparison};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which files differ?
    ChangedFiles(Comparison),
}

/// The answers so far.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    files: BTreeMap<Comparison, ChangedFiles>,
}

impl Answers {
    /// Those of somebody who has asked nothing.
    pub fn none() -> &'static Answers {
        static NONE: Answers = Answers { files: BTreeMap::new() };
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

    /// Answers each question with why it cannot be asked.
    pub fn add_unknown(&mut self, questions: &[Question], why: &str) {
        for question in questions {
            match question {
                Question::ChangedFiles(comparison) => {
                    let files = ChangedFiles::Unknown(why.to_owned());
                    self.add_changed_files(comparison.clone(), files);
                }
            }
        }
    }
}
