//! The lock beside the database, which one process holds from before the database is opened until
//! everything is written.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::file_access::FILE_MODE;
use crate::storage::Error;

/// The lock. It is released explicitly, because a read in the background may keep the store itself
/// alive for longer.
#[derive(Debug)]
pub(crate) struct FileLock(Mutex<Option<File>>);

impl FileLock {
    /// # Errors
    /// Another process holds it.
    pub(crate) fn acquire(database: &Path) -> Result<Self, Error> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let shown = Path::new(&path).display().to_string();
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(FILE_MODE);
        let failed = |error| Error::unavailable(format!("{shown} cannot be opened: {error}"));
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Mutex::new(Some(file)))),
            Err(_) => Err(Error::unavailable(format!(
                "{} belongs to another running gateway: stop it, or ask it over HTTP",
                database.display()
            ))),
        }
    }

    /// Another process may acquire it from now on.
    pub(crate) fn release(&self) {
        drop(self.0.lock().take());
    }
}

/// Runs `close` on a thread of its own and waits for it at most for `within`: a disk may hang.
pub(crate) async fn close_within(within: Duration, close: impl FnOnce() + Send + 'static) {
    let (done, closed) = oneshot::channel::<()>();
    let closing = move || {
        close();
        drop(done);
    };
    if let Err(error) = std::thread::Builder::new().name("sqlite-close".into()).spawn(closing) {
        tracing::warn!("the store is closed when the process ends: {error}");
        return;
    }
    if tokio::time::timeout(within, closed).await.is_err() {
        tracing::warn!(
            "the disk did not take the last writes in time: none of them was acknowledged"
        );
    }
}
