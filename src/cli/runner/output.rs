//! Reads what a command prints, without end if need be: into the log of its run, and into memory
//! the last of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parking_lot::Mutex;

use super::last_line::last_line;
use super::log::Log;

/// Of the output in memory: enough for the last line that is shown.
const RECENT_BYTES_MAX: usize = 8 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
/// How long the end of the output is waited for once the command and all it started have ended. It
/// does not come where a process of another user has the output still.
const END_WAIT_MAX: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Output {
    read: Arc<Mutex<Content>>,
    ended: Receiver<()>,
}

#[derive(Debug)]
struct Content {
    log: Log<File>,
    recent: VecDeque<u8>,
}

impl Output {
    /// Begins to read.
    pub(super) fn read(mut pipe: PipeReader, log: Log<File>) -> Self {
        let read = Arc::new(Mutex::new(Content { log, recent: VecDeque::new() }));
        let (end, ended) = channel();
        let content = Arc::clone(&read);
        std::thread::spawn(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                match pipe.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(count) => content.lock().push(chunk.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            drop(end);
        });
        Self { read, ended }
    }

    /// The last line so far.
    pub(super) fn last_line(&self) -> Option<String> {
        let recent: Vec<u8> = self.read.lock().recent.iter().copied().collect();
        last_line(&recent)
    }

    /// Waits for the end, and completes the log. Blocks for [`END_WAIT_MAX`] at most.
    pub(super) fn finish(&self) {
        self.ended.recv_timeout(END_WAIT_MAX).ok();
        self.read.lock().log.finish();
    }
}

impl Content {
    fn push(&mut self, bytes: &[u8]) {
        self.log.push(bytes);
        let last = bytes.len().saturating_sub(RECENT_BYTES_MAX);
        self.recent.extend(bytes.get(last..).unwrap_or_default());
        let more = self.recent.len().saturating_sub(RECENT_BYTES_MAX);
        self.recent.drain(..more);
    }
}
