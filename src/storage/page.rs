//! Pages of lists, newest first.

/// Selects a part of a list: up to `limit` rows with a smaller number than `before`.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub limit: usize,
    pub before: Option<i64>,
}

/// One page, and the `before` of the next page; none when it is the last one.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub next: Option<i64>,
}
