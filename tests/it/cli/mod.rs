//! The command line as people and scripts use it: the real binary, its output and its exit codes.
//! It must never look at anything else.

/// Running the binary.
mod call;
/// `check-config`.
mod check_config;
/// `explain`.
mod explain;
/// `hooks`.
mod hooks;
/// `keygen`.
mod keygen;
/// `deliveries` and `runs`, with a running gateway and without.
mod lists;
/// `permissions`.
mod permissions;
/// `serve`, `healthcheck`, `demo`, and help.
mod process;
/// A socket that is inherited.
mod socket;
/// The examples of systemd units.
mod units;
