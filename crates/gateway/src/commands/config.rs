//! `seawall config`: is the configuration right, what is in force and why, what could be said.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::config::{self, Config, Environment, Overrides, Problems, Row};
use crate::server::admin::openapi;

/// Exit code: all is well.
const OK: u8 = 0;
/// Exit code: asked for something that is not done.
const USAGE: u8 = 2;
/// Exit code: the configuration is invalid.
const INVALID: u8 = 3;

pub(crate) const EXAMPLES: &str = "\
Examples:
  seawall config init -o seawall.toml   a file to start from
  seawall config check                  is it right?
  seawall config show                   what is in force, and why";

const CHECK: &str = "\
Examples:
  seawall config check
  seawall config check --config /etc/seawall/seawall.toml
  seawall config check --json

Exit codes: 0 it is valid, 3 it is not.";

const SHOW: &str = "\
Examples:
  seawall config show
  seawall config show --config seawall.toml --json";

const SCHEMA: &str = "\
Examples:
  seawall config schema > seawall.schema.json
  seawall config schema --api > openapi.json";

const INIT: &str = "\
Examples:
  seawall config init
  seawall config init -o seawall.toml";

/// What `seawall config` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Check the configuration and show every problem with its place
    #[command(after_long_help = CHECK)]
    Check {
        /// The file; else ./seawall.toml, else the one in the user's configuration folder
        #[arg(long, value_name = "PATH")]
        config: Option<PathBuf>,
        /// One JSON object per problem
        #[arg(long)]
        json: bool,
    },
    /// Print every value that is in force, and where it came from
    #[command(after_long_help = SHOW)]
    Show {
        /// The file; else ./seawall.toml, else the one in the user's configuration folder
        #[arg(long, value_name = "PATH")]
        config: Option<PathBuf>,
        /// One JSON object per value
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of the file, for editors
    #[command(after_long_help = SCHEMA)]
    Schema {
        /// In its place the description of the admin side's API, as OpenAPI 3.1
        #[arg(long)]
        api: bool,
    },
    /// Print a commented configuration to start from
    #[command(after_long_help = INIT)]
    Init {
        /// Write it to a new file instead
        #[arg(long, short, value_name = "PATH")]
        output: Option<PathBuf>,
    },
}

/// Does what `verb` says; the result is the exit code. `styled`: colours may go to `err`.
pub(crate) fn run(
    verb: ConfigVerb,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
    styled: bool,
) -> io::Result<u8> {
    let load = |config| config::load(&Overrides { config, ..Overrides::default() }, env);
    match verb {
        ConfigVerb::Check { config, json } => match load(config) {
            Ok(config) if json => {
                writeln!(out, "{}", serde_json::json!({ "ok": true, "file": config.file })).map(|()| OK)
            }
            Ok(config) => writeln!(out, "{}", summary(&config)).map(|()| OK),
            Err(problems) if json => as_json(&problems, out),
            Err(problems) => refuse(&problems, err, styled),
        },
        ConfigVerb::Show { config, json } => match load(config) {
            Ok(config) if json => show_json(&config, out),
            Ok(config) => show_text(&config, out),
            Err(problems) => refuse(&problems, err, styled),
        },
        ConfigVerb::Schema { api } => {
            let schema = if api { openapi::DOCUMENT.clone() } else { config::json_schema() };
            serde_json::to_writer_pretty(&mut *out, &schema)?;
            writeln!(out).map(|()| OK)
        }
        ConfigVerb::Init { output: None } => out.write_all(config::example().as_bytes()).map(|()| OK),
        ConfigVerb::Init { output: Some(path) } => init(&path, env, out, err),
    }
}

fn refuse(problems: &Problems, err: &mut impl Write, styled: bool) -> io::Result<u8> {
    writeln!(err, "{}", problems.render(styled)).map(|()| INVALID)
}

fn as_json(problems: &Problems, out: &mut impl Write) -> io::Result<u8> {
    for problem in problems.reported() {
        writeln!(out, "{}", serde_json::to_string(&problem)?)?;
    }
    Ok(INVALID)
}

/// One line that says what was found.
fn summary(config: &Config) -> String {
    let names = |names: Vec<&str>| names.join(", ");
    let origin = config.file.as_ref().map_or("no file, the defaults".into(), |file| file.display().to_string());
    let upstreams = names(config.upstreams.iter().map(|upstream| upstream.name.as_str()).collect());
    let clients = match config.clients.len() {
        0 => "no clients".into(),
        _ => format!("clients {}", names(config.clients.iter().map(|client| client.name.as_str()).collect())),
    };
    let (listen, admin) = (config.server.listen, config.server.admin);
    format!("ok: {origin}: listen {listen}, admin {admin}, upstreams {upstreams}, {clients}")
}

fn show_json(config: &Config, out: &mut impl Write) -> io::Result<u8> {
    for row in config::rows(config) {
        writeln!(out, "{}", row.json(config))?;
    }
    Ok(OK)
}

fn show_text(config: &Config, out: &mut impl Write) -> io::Result<u8> {
    let rows: Vec<(Row, String)> = config::rows(config).into_iter().map(|row| (row.clone(), said(&row))).collect();
    let width = |of: &dyn Fn(&(Row, String)) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (keys, values) =
        (width(&|(row, _)| row.key.len()), width(&|(_, said)| said.chars().count()).min(VALUE_WIDTH_MAX));
    let mut table = None;
    for (row, said) in &rows {
        if table != Some(&row.table) {
            let space = if table.is_some() { "\n" } else { "" };
            table = Some(&row.table);
            match row.table.as_str() {
                "" => write!(out, "{space}")?,
                name => writeln!(out, "{space}[{name}]")?,
            }
        }
        writeln!(out, "{:keys$}  {said:values$}  {}", row.key, row.source_text(config))?;
    }
    Ok(OK)
}

/// A longer value pushes its own source to the right, and nobody else's.
const VALUE_WIDTH_MAX: usize = 48;

fn said(row: &Row) -> String {
    match &row.note {
        Some(note) => format!("{} ({note})", row.value.text()),
        None => row.value.text(),
    }
}

fn init(path: &Path, env: &Environment, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    let shown = path.display();
    match File::create_new(env.path(path)) {
        Ok(mut file) => {
            file.write_all(config::example().as_bytes())?;
            writeln!(out, "wrote {shown}").map(|()| OK)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            writeln!(err, "error: {shown} exists, and is left as it is\nhint: remove it first, or choose another name")
                .map(|()| USAGE)
        }
        Err(error) => writeln!(err, "error: cannot write {shown}: {error}").map(|()| USAGE),
    }
}

#[cfg(test)]
mod tests;
