//! One process owns the file: a lock beside it says so, from before it is opened until everything
//! is written. It must never know what is in it.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::oneshot;

use super::writer::lock;
use crate::storage::Error;

/// The right to the file, until it is given up: work in the background may keep the rest of a store
/// for longer.
#[derive(Debug)]
pub(crate) struct Owned(Mutex<Option<File>>);

impl Owned {
    /// # Errors
    /// Another process has it.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        let shown = Path::new(&beside).display().to_string();
        let file =
            File::options().create(true).truncate(false).write(true).open(&beside).map_err(
                |error| Error::unavailable(format!("{shown} cannot be opened: {error}")),
            )?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Mutex::new(Some(file)))),
            Err(_) => Err(Error::unavailable(format!(
                "{} belongs to another running gateway: stop it, or ask it over HTTP",
                path.display()
            ))),
        }
    }

    /// Another process may have it from now on.
    pub(crate) fn give_up(&self) {
        drop(lock(&self.0).take());
    }
}

/// Runs `close` on a thread that the process need not wait for: a disk may hang.
pub(crate) async fn close(close: impl FnOnce() + Send + 'static, within: Duration) {
    let (done, closed) = oneshot::channel::<()>();
    let closing = move || {
        close();
        drop(done);
    };
    if let Err(error) = std::thread::Builder::new().name("sqlite-close".into()).spawn(closing) {
        tracing::warn!("the store is closed by the end of the process: {error}");
        return;
    }
    if tokio::time::timeout(within, closed).await.is_err() {
        tracing::warn!("the disk did not take in time what waits; none of it was promised");
    }
}
