//! The real process, killed with SIGKILL at any request and started again.
