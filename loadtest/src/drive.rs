//! Load on any receiver of hooks, for `compare.py`, which starts the receivers: a closed loop with
//! the bodies of the profile `accept`. It prints one line of JSON.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::bodies::Bodies;
use crate::deliveries::{Deliveries, Hook, Sending};
use crate::pace::Pace;
use crate::phase;
use crate::processes::Processes;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the receiver listens.
    #[arg(long)]
    address: SocketAddr,
    /// The path of its hook.
    #[arg(long)]
    path: String,
    /// The value of the header.
    #[arg(long)]
    authorization: String,
    /// The id of its process, whose children are counted with it.
    #[arg(long)]
    process: u32,
    /// The number of the first delivery; `next` in the output is the number after the last.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Send one of the first deliveries so often, instead of a load.
    #[arg(long)]
    repeat: Option<usize>,
    /// How many connections send.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long they send.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let Options { address, path, authorization, process, first, connections, .. } = options;
    let hook = Hook { path: path.clone(), authorization: authorization.clone() };
    let bodies = Rc::new(Bodies::mixed());
    let deliveries = Deliveries::new(*address, &[hook], &bodies, Sending::Once)?;
    let deliveries = Rc::new(deliveries.starting_at(*first));
    let output = if let Some(times) = options.repeat {
        let number = (0..).find(|number| deliveries.has_keys(*number)).unwrap_or_default();
        deliveries.resend(&vec![number; times]).await?;
        Value::Null
    } else {
        let time = Duration::from_secs(options.seconds);
        let (pace, processes) = (|| Pace::closed(time), Processes::of(*process));
        let (measured, tally) =
            phase::measure("", &deliveries, &processes, *connections, pace).await?;
        json!({
            "acknowledged": tally.acknowledged,
            "measured": measured,
            "next": deliveries.next_number(),
        })
    };
    println!("{output}");
    Ok(())
}
