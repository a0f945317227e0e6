//! Which core is whose, so that a server is measured by what it does with one. Where there are too
//! few, the database gets those that the generator and the gateway leave.

/// The core of the measured server.
pub(crate) const SERVER: usize = 0;
/// The core of the load generator.
pub(crate) const GENERATOR: usize = 1;
/// The core of the database, where there are as many.
const DATABASE: usize = 2;
/// The core of the second replica; those of further ones follow.
const SECOND_REPLICA: usize = 3;

/// The core of a replica, as taskset takes it; replicas are counted from zero.
pub(crate) fn of_replica(number: usize) -> String {
    let own = if number == 0 { SERVER } else { SECOND_REPLICA + number - 1 };
    (if own < count() { own } else { SERVER }).to_string()
}

/// The cores of the database's processes.
pub(crate) fn of_database() -> String {
    if has_database_core() { DATABASE.to_string() } else { format!("{SERVER},{GENERATOR}") }
}

/// The core of the proxy: the first behind those of two replicas, or the generator's.
pub(crate) fn of_proxy() -> String {
    let own = SECOND_REPLICA + 1;
    (if own < count() { own } else { GENERATOR }).to_string()
}

/// Whether the database has a core of its own.
pub(crate) fn has_database_core() -> bool {
    DATABASE < count()
}

/// Whether so many replicas have a core each.
pub(crate) fn has_replica_cores(replicas: usize) -> bool {
    replicas < 2 || SECOND_REPLICA + replicas - 2 < count()
}

/// The cores of this machine, also those that this process may not use.
pub(crate) fn count() -> usize {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    processors.lines().filter(|line| line.starts_with("processor")).count().max(1)
}
