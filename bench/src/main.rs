//! What Seawall costs, measured beside things people know: `seawall-bench run` prints the table.
//!
//! A gateway is only as quick as its slowest neighbour on the same machine lets it be, so no figure
//! here stands alone. Every run measures the same minimal pass-through ([`floor`]) in the same
//! minutes, on the same core, under the same load, and says how many times the floor each peer costs.
//!
//! - `mock` is the upstream: fixed answers, far cheaper than any gateway. `fixture` has the bytes.
//! - `floor` is the least a gateway can do.
//! - `load` asks, checks every byte of every answer, and counts what was wrong.
//! - `run` starts all of them, each on its core, in interleaved rounds, and judges.
//!
//! - `lint` looks at requests with tools, beside a parser of the same bytes: it has no door to be asked at.
//! - `incidents` tells of requests to what looks for incidents: neither has it one.
//! - `library` calls Seawall as a library, beside the client that it is made of.
//!
//! But for these three it knows Seawall as a program only, never as a library: nothing inside can be tuned for it.
//! Everything is loopback, bounded in count and time, and ends by itself; only own children are killed.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock all day, and its tasks live as long as its process"
)]

mod cpu;
mod fixture;
mod floor;
mod incidents;
mod lint;
mod load;
mod mock;
mod run;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures what a gateway costs.
#[derive(Debug, Parser)]
#[command(name = "seawall-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A quick upstream with fixed answers, or with a share of 500s
    Mock(mock::Options),
    /// The minimal pass-through: what any gateway on this stack must at least cost
    Floor(floor::Options),
    /// Ask as fast as possible or at a fixed rate, check the answers, print one JSON line
    Load(load::Options),
    /// The whole method: every peer, interleaved rounds, a table and a verdict on each target
    Run(run::Options),
    /// Look at requests with tools and parse the same bytes: requests and megabytes a second of each
    Lint(lint::Options),
    /// What somebody costs who looks at the dashboard under load: CPU with and without a viewer
    Viewer(run::viewer::Options),
    /// Call Seawall as a library, and hyper alone: CPU time of a call, and what it adds
    Library(run::library::Options),
    /// Look for incidents in made-up requests: requests a second of one core, and the size of what is kept
    Incidents(incidents::Options),
}

fn main() -> ExitCode {
    let outcome = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            match Cli::parse().command {
                Command::Mock(options) => mock::run(options).await,
                Command::Floor(options) => floor::run(options).await,
                Command::Load(options) => load::run(options).await,
                Command::Run(options) => run::run(options).await,
                Command::Viewer(options) => run::viewer::run(options).await,
                Command::Library(options) => run::library::run(options).await,
                Command::Lint(options) => lint::run(&options),
                Command::Incidents(options) => incidents::run(&options),
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seawall-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
