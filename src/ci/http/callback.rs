//! Which run a callback of the CI is about.

use super::{CallbackOptions, Names};
use crate::ci::callback::{Callback, CallbackError, Mentioned};
use crate::ci::urls::id;

pub(super) fn read(
    options: &CallbackOptions,
    callback: &Callback<'_>,
) -> Result<Vec<Mentioned>, CallbackError> {
    options.scheme.verify(&options.secrets, callback)?;
    let body = callback.json();
    let mentioned = match &options.names {
        Names::Run(pointer) => {
            let id = pointer.find(&body).and_then(|id| id.as_str()?.parse().ok());
            id.map(Mentioned::Run)
        }
        Names::Id(pointer) => id(pointer.find(&body)).map(Mentioned::AtCi),
    };
    Ok(mentioned.into_iter().collect())
}
