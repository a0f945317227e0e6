//! Policies: from globs to branches, and what a plan does to everything that may be there.

mod branches;
mod limits;
mod plans;
mod verdicts;
mod world;
