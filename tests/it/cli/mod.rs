//! The command line as people and scripts use it: output, exit codes, errors.
