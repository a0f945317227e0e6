//! The way of a REST call from the request to its topic, and what all topics answer alike.

/// Calls about a whole organization: who am I, which projects.
mod organization;
/// Query parameters that several calls read alike.
pub(crate) mod query_parameters;
/// Refusals, in the shape that ADO gives them.
pub(crate) mod refusal;
/// What exists, as JSON.
pub(crate) mod render;
/// From a request to the code that answers it.
pub(crate) mod route;
/// Which api-version a request asks for.
pub(crate) mod version;
