//! A load balancer in front of several replicas: each connection goes to the next replica, and past
//! those that do not take it. It is a thread of this process, so that its costs can be told apart.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::cores;

/// A running proxy. It ends with all its connections when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// The thread in `/proc`, which tells what it costs.
    pub(crate) task: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on `address`.
    pub(crate) fn start(
        address: SocketAddr,
        replicas: Vec<SocketAddr>,
        pinned: bool,
    ) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind(address).context("no address for a proxy")?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (task_out, task) = mpsc::channel();
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            drop(task_out.send(std::fs::read_link("/proc/thread-self")));
            let passing = async {
                tokio::select! {
                    () = pass_all(listener, &replicas) => {}
                    _ = stopped => {}
                }
            };
            LocalSet::new().block_on(&runtime, passing);
        })?;
        let task = PathBuf::from("/proc").join(task.recv()??);
        if pinned {
            let number = task.file_name().unwrap_or_default();
            let mut taskset = Command::new("taskset");
            taskset.args(["-cp", &cores::of_proxy()]).arg(number).stdout(Stdio::null());
            taskset.status().context("no taskset")?;
        }
        Ok(Self { task, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It has nothing to say when it ends.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn pass_all(listener: std::net::TcpListener, replicas: &[SocketAddr]) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    for turn in 0.. {
        let Ok((client, _)) = listener.accept().await else { continue };
        let count = replicas.len().max(1);
        let in_turn: Vec<_> =
            replicas.iter().cycle().skip(turn % count).take(replicas.len()).copied().collect();
        tokio::task::spawn_local(async move {
            // When either side goes away, so does the other.
            drop(pass(client, &in_turn).await);
        });
    }
}

async fn pass(mut client: TcpStream, replicas: &[SocketAddr]) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    for address in replicas {
        let Ok(mut replica) = TcpStream::connect(address).await else { continue };
        replica.set_nodelay(true)?;
        tokio::io::copy_bidirectional(&mut client, &mut replica).await?;
        return Ok(());
    }
    // Without a replica the connection is closed.
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::Proxy;
    use crate::server::free_address;

    #[test]
    fn connections_go_to_replicas_in_turns_and_past_dead_ones() {
        let [first, second] = ["a", "b"].map(|name| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            std::thread::spawn(move || {
                for client in listener.incoming() {
                    client.unwrap().write_all(name.as_bytes()).unwrap();
                }
            });
            address
        });
        let (dead, address) = (free_address().unwrap(), free_address().unwrap());
        let _proxy = Proxy::start(address, vec![first, second, dead], false).unwrap();
        let answers = (0..3).map(|_| {
            let mut answer = String::new();
            TcpStream::connect(address).unwrap().read_to_string(&mut answer).unwrap();
            answer
        });
        assert_eq!(answers.collect::<String>(), "aba");
    }
}
