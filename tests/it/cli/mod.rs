//! The command line as people and scripts use it: the output and the exit codes of the binary.

/// Runs the binary.
mod call;
/// `check-config`.
mod check_config;
mod ci;
/// What holds for every command.
mod commands;
/// `explain`.
mod explain;
/// The steps of the README.
mod first_hour;
/// `completions` and `man`: files for shells and for `man`.
mod generated;
/// `hooks`.
mod hooks;
/// `init`.
mod init;
/// `keygen`.
mod keygen;
/// `deliveries` and `runs`, with a running gateway and without.
mod lists;
/// `migrate`.
mod migrate;
/// The Debian package.
mod package;
/// `permissions`.
mod permissions;
/// Text from outside in tables and logs.
mod printing;
/// `serve`, `healthcheck`, `demo`, and help.
mod process;
/// Who gets the operator token.
mod proof;
/// Proxy variables.
mod proxies;
/// `reload`, and SIGHUP.
mod reloading;
/// `serve` on an inherited socket.
mod socket;
/// Colours and progress.
mod terminal;
/// The units of systemd, started by it.
mod under_systemd;
/// The examples of systemd units.
mod units;
/// `--watch`.
mod watch;
