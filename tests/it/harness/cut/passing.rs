//! One connection through the proxy: a thread for each direction.

use std::io::{Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

use super::messages::{First, Kind, Message, READY, Statements, read, read_first};
use super::{At, Fault, Moment, State};

/// What both directions of a connection know.
#[derive(Debug, Default)]
struct Progress {
    /// How often the server will have said that it is ready, once it has answered all it has got.
    asked: u64,
    /// The answer that is lost, counted like `asked`, and how the connection fails then.
    lost: Option<(u64, Fault)>,
}

/// Takes a connection of a client.
pub(super) fn begin(state: &Arc<State>, client: TcpStream) {
    let server = state.network.lock().server.clone();
    let Some(server) = server.and_then(|address| TcpStream::connect(address).ok()) else {
        drop(client.shutdown(Shutdown::Both));
        return;
    };
    let ends = || Ok::<_, std::io::Error>((client.try_clone()?, server.try_clone()?));
    let (Ok(both), Ok(upward), Ok(downward)) = (ends(), ends(), ends()) else { return };
    {
        let mut network = state.network.lock();
        network.connections += 1;
        network.streams.extend([both.0, both.1]);
    }
    // The server says once that it is ready before it is asked anything.
    let progress = Arc::new(Mutex::new(Progress { asked: 1, lost: None }));
    let (state, other) = (Arc::clone(state), (Arc::clone(state), Arc::clone(&progress)));
    std::thread::spawn(move || {
        let (client, server) = upward;
        drop(state.pass_messages(&client, &server, &progress));
        drop(client.shutdown(Shutdown::Both));
        drop(server.shutdown(Shutdown::Both));
    });
    std::thread::spawn(move || {
        let ((state, progress), (client, server)) = (other, downward);
        drop(state.pass_answers(&client, &server, &progress));
        drop(client.shutdown(Shutdown::Both));
        drop(server.shutdown(Shutdown::Both));
    });
}

impl State {
    fn wait_while_hanging(&self) {
        let mut network = self.network.lock();
        while network.is_hanging {
            self.resumed.wait(&mut network);
        }
    }

    /// The connection fails. An error ends it.
    fn fail(&self, fault: Fault) -> Result<()> {
        if fault == Fault::Hang {
            self.network.lock().is_hanging = true;
        }
        self.triggered.notify_one();
        match fault {
            Fault::Hang => Ok(()),
            Fault::Cut => Err(std::io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// When and how the connection fails at this message, if it does.
    fn trap(&self, message: &Message, executed: Option<&str>) -> Option<(Moment, Fault)> {
        let mut network = self.network.lock();
        let trap = network.trap.as_mut()?;
        let is_it = match &trap.at {
            At::Message(kind) => message.kind() == Some(*kind),
            At::Statement(words) => executed.is_some_and(|text| text.contains(words)),
        };
        if !is_it {
            return None;
        }
        if trap.left > 0 {
            trap.left -= 1;
            return None;
        }
        network.trap.take().map(|trap| (trap.moment, trap.fault))
    }

    fn pass_messages(
        &self,
        mut client: &TcpStream,
        mut server: &TcpStream,
        progress: &Mutex<Progress>,
    ) -> Result<()> {
        let mut reading = client.try_clone()?;
        loop {
            let (first, message) = read_first(&mut reading)?;
            self.wait_while_hanging();
            if first == First::Begin {
                server.write_all(&message.bytes)?;
                break;
            }
            client.write_all(b"N")?;
        }
        let mut statements = Statements::default();
        loop {
            let message = read(&mut reading)?;
            let executed = statements.executed(&message);
            let trap = self.trap(&message, executed.as_deref());
            if let Some((Moment::Before, fault)) = trap {
                self.fail(fault)?;
            }
            {
                let mut progress = progress.lock();
                let asks = matches!(message.kind(), Some(Kind::Query | Kind::Sync));
                if let Some((Moment::After, fault)) = trap {
                    progress.lost = Some((progress.asked + 1, fault));
                }
                progress.asked += u64::from(asks);
            }
            self.wait_while_hanging();
            server.write_all(&message.bytes)?;
        }
    }

    fn pass_answers(
        &self,
        mut client: &TcpStream,
        server: &TcpStream,
        progress: &Mutex<Progress>,
    ) -> Result<()> {
        let mut reading = server.try_clone()?;
        let mut ready = 0;
        let mut held = Vec::new();
        loop {
            let message = read(&mut reading)?;
            let lost = progress.lock().lost.filter(|(number, _)| ready + 1 == *number);
            let is_last = message.type_byte() == READY;
            ready += u64::from(is_last);
            let Some((_, fault)) = lost else {
                self.wait_while_hanging();
                client.write_all(&message.bytes)?;
                continue;
            };
            held.extend(message.bytes);
            if is_last {
                progress.lock().lost = None;
                self.fail(fault)?;
                self.wait_while_hanging();
                client.write_all(&std::mem::take(&mut held))?;
            }
        }
    }
}
