//! Pages of lists, newest first.

/// Which part of a list: what comes before a number, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub limit: usize,
    pub before: Option<i64>,
}

/// One page, and where the next begins.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub next: Option<i64>,
}
