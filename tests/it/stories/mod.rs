//! What users and operators see, from event to status, one story a test.

mod accepting;
mod ending;
mod foreign;
mod identities;
mod life;
mod linking;
mod matching;
mod minting;
mod oddities;
mod operators;
mod outages;
mod permissions;
mod places;
mod policies;
mod probes;
mod publishing;
mod pull_requests;
mod refs;
mod renewing;
mod replaying;
mod reporting;
mod rotating;
mod secrecy;
mod starting;
mod superseding;
mod throttling;
