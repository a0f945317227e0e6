//! Policies: from globs to branches, and what a plan does to the policies that exist.

mod branches;
mod limits;
mod plans;
mod verdicts;
mod world;
