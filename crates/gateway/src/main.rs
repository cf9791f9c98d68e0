//! `seawall`: the program. Picks the command and the exit code.

mod account;
mod chart;
mod cli;
mod commands;
mod config;
mod data_dir;
mod decided;
mod escalation;
mod exit;
mod gateway;
mod headline;
mod observe;
mod server;

use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use clap::CommandFactory;

use cli::{Cli, Verb};
use commands::screen::{self, Lines, Long};
use commands::serve::ServeArgs;
use config::Environment;
use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::of(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let env = Environment::of_process();
    ExitCode::from(run(cli.verb, &env).unwrap_or_else(|error| match error.kind() {
        // Whoever read the output has seen enough.
        io::ErrorKind::BrokenPipe => exit::OK,
        _ => exit::fail(exit::INTERNAL, &error, ""),
    }))
}

/// Says why the command line makes no sense, or prints the help that it asks for.
fn refused(error: &clap::Error) -> ExitCode {
    let text = error.render().ansi().to_string();
    // What others call a tip is a hint here, as everywhere.
    let said = if error.use_stderr() {
        anstream::stderr().write_all(text.replace("tip:", "hint:").as_bytes())
    } else {
        anstream::stdout().write_all(text.as_bytes())
    };
    // Whoever closed it has seen enough.
    drop(said);
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE))
}

fn run(verb: Verb, env: &Environment) -> io::Result<Exit> {
    let long = verb.long();
    let width = long.and_then(|_| screen::width(env));
    let mut out = Lines::new(anstream::stdout().lock(), width, long.unwrap_or(Long::Cut));
    let mut err = anstream::stderr();
    match verb {
        Verb::Serve(args) => {
            drop(out);
            runtime()?.block_on(serve(args, env))
        }
        Verb::Demo(args) => runtime()?.block_on(commands::demo::run(&args, env, &mut out, &mut err)),
        Verb::Exec(args) => {
            drop(out);
            runtime()?.block_on(commands::exec::run(args, env))
        }
        Verb::Chaos(args) => {
            drop(out);
            runtime()?.block_on(commands::chaos::run(&args, env))
        }
        Verb::Explain(args) => {
            let dir = config::default_data_dir(env);
            let is_recognised = commands::explain::run(&args, dir.as_deref(), io::stdin().lock(), &mut out, &mut err)?;
            Ok(if is_recognised { exit::OK } else { exit::FOUND })
        }
        Verb::Doctor(args) => runtime()?.block_on(commands::doctor::run(&args, env, &mut out, &mut err)),
        Verb::Lint(args) => {
            drop(out);
            commands::lint::run(&args, env.wants_colour())
        }
        Verb::Failures(args) => {
            commands::failures::run(&args, config::default_data_dir(env).as_deref(), &mut out, &mut err)
        }
        Verb::Show(args) => commands::show::run(&args, config::default_data_dir(env).as_deref(), &mut out, &mut err),
        Verb::Incidents(args) => runtime()?.block_on(commands::incidents::run(&args, env, &mut out, &mut err)),
        Verb::Bill(args) => commands::bill::run(&args, config::default_data_dir(env).as_deref(), &mut out, &mut err),
        Verb::Report(args) => {
            commands::report::run(&args, config::default_data_dir(env).as_deref(), &mut out, &mut err)
        }
        Verb::Status(args) => runtime()?.block_on(commands::status::run(&args, env, &mut out, &mut err)),
        Verb::Top(args) => {
            drop(out);
            runtime()?.block_on(commands::top::run(&args, env, &mut anstream::stdout(), &mut err))
        }
        Verb::Rehearse(args) => commands::rehearse::run(&args, env, &mut out, &mut err),
        Verb::Journal(verb) => {
            commands::journal::run(&verb, config::default_data_dir(env).as_deref(), &mut out, &mut err)
        }
        Verb::Config(verb) => {
            let styled = io::stderr().is_terminal() && env.wants_colour();
            commands::config::run(verb, env, &mut out, &mut err, styled)
        }
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "seawall", &mut out);
            Ok(exit::OK)
        }
    }
}

async fn serve(args: ServeArgs, env: &Environment) -> io::Result<Exit> {
    let (overrides, manner) = args.overrides();
    Ok(commands::serve::run(&overrides, manner, env).await)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
