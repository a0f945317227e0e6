//! Messages between the processes on one database, by NOTIFY and LISTEN. They may be lost, which
//! delays work until a timer looks for it.
//!
//! A NOTIFY takes a lock of the whole database at its commit, so it never stands in a transaction
//! that writes. LISTEN belongs to a session, which a pooler in transaction mode does not give:
//! where there is one, a second address leads past it, or nothing is heard.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::stream;
use tokio::sync::{Mutex, mpsc};
use tokio_postgres::AsyncMessage;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::Connector;
use super::db::{Db, params, text};
use super::failure::Failure;
use crate::jitter;

const CHANNEL: &str = "azdo_gateway";
/// Messages that wait to be read; further ones are dropped.
const WAITING_MAX: usize = 64;
/// The longest wait before a connection that was lost is opened again.
const RECONNECT_MAX: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(crate) struct Listener {
    messages: Mutex<mpsc::Receiver<Option<String>>>,
    _stops: DropGuard,
}

impl Listener {
    /// Listens to the messages of other processes than `instance`; to none without a connector.
    pub(crate) fn start(instance: &str, connector: Option<Connector>) -> Self {
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        let stop = CancellationToken::new();
        if let Some(connector) = connector {
            let (own, stop) = (format!("{instance} "), stop.clone());
            tokio::spawn(stop.run_until_cancelled_owned(async move {
                let mut has_heard = false;
                loop {
                    let received = receive(&connector, &own, &sender, &mut has_heard);
                    if let Err(failure) = received.await {
                        tracing::debug!("messages of other replicas are not heard: {failure}");
                    }
                    tokio::time::sleep(RECONNECT_MAX.mul_f64(jitter::fraction())).await;
                }
            }));
        }
        Self { messages: Mutex::new(messages), _stops: stop.drop_guard() }
    }

    /// The next message of another process; none where some may be lost.
    pub(crate) async fn next(&self) -> Option<String> {
        match self.messages.lock().await.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }
}

/// Passes messages on until the connection ends.
async fn receive(
    connector: &Connector,
    own: &str,
    sender: &mpsc::Sender<Option<String>>,
    has_heard: &mut bool,
) -> Result<(), Failure> {
    let (client, mut connection) = connector.open().await?;
    let messages = stream::poll_fn(|context| connection.poll_message(context));
    let passing_on = messages.try_for_each(|message| {
        if let AsyncMessage::Notification(notification) = message
            && !notification.payload().starts_with(own)
            && let Some((_, message)) = notification.payload().split_once(' ')
        {
            // The last place is for saying that messages are lost.
            let message = (sender.capacity() > 1).then(|| message.to_owned());
            drop(sender.try_send(message));
        }
        std::future::ready(Ok(()))
    });
    let listen = format!("LISTEN {CHANNEL}");
    let listening = async {
        client.batch_execute(&listen).await?;
        if std::mem::replace(has_heard, true) {
            // Messages that were sent while there was no connection are lost.
            drop(sender.send(None).await);
        }
        // The client keeps the connection open.
        poll_fn(|_| std::task::Poll::<Result<(), tokio_postgres::Error>>::Pending).await
    };
    tokio::select! {
        ended = passing_on => Ok(ended?),
        failed = listening => Ok(failed?),
    }
}

/// Sends a message to all processes that listen.
pub(crate) async fn send(db: &Db, instance: &str, message: &str) -> Result<(), Failure> {
    let payload = format!("{instance} {message}");
    let sql = format!("SELECT pg_notify('{CHANNEL}', $1)");
    db.rows(&sql, params![text(&payload)]).await?;
    Ok(())
}
