//! `seawall rehearse`: what would these settings do in an outage?
//!
//! Stories are played in virtual time against the policy that is in force: minutes of outage pass
//! in milliseconds, nothing is sent anywhere, and the same seed tells the same story. Beside it
//! stand the same requests without a gateway, and with an SDK's own retries only.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use seawall_core::plan::policy::Policy;
use seawall_sim::rehearse::{self, Report};
use seawall_sim::story::{BUILT_IN, Story, TEXT_MAX};

use crate::chart::rehearsal;
use crate::config::{self, Environment, Overrides};
use crate::exit::{self, Exit};

/// The most seeds that one rehearsal plays.
const SEEDS_MAX: u64 = 1_000;
/// How many are played where nothing is said: what one seed does is chance.
const SEEDS: u64 = 5;

const EXAMPLES: &str = "\
Examples:
  seawall rehearse --list
  seawall rehearse c e1
  seawall rehearse c --config seawall.toml --seeds 20 --svg outage.svg
  seawall rehearse ./friday.story --json

Exit codes: 0 every bar was held, 1 one was not, 2 there is no such story, or it
cannot be read.";

/// What `rehearse` was told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RehearseArgs {
    /// The stories to play; without any, all that are built in
    #[arg(value_name = "STORY")]
    pub(crate) stories: Vec<String>,
    /// The file whose settings are rehearsed; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// Decides every throw of the dice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Play so many seeds from that one on, and take them together
    #[arg(long, value_name = "N", default_value_t = SEEDS, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    pub(crate) seeds: u64,
    /// Draw the story's course to a file; of several stories, the name is put before the ending
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// One JSON object per story
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the names of the built-in stories and what they are about
    #[arg(long, conflicts_with_all = ["stories", "svg"])]
    pub(crate) list: bool,
}

/// Plays the stories and says what they came to.
pub(crate) fn run(
    args: &RehearseArgs,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    if args.list {
        for story in seawall_sim::story::builtin() {
            if args.json {
                writeln!(out, "{}", serde_json::json!({ "story": story.name, "title": story.title }))?;
            } else {
                writeln!(out, "{:<8} {}", story.name, story.title)?;
            }
        }
        return Ok(exit::OK);
    }
    // No journal is opened: where it would be does not matter here.
    let data_dir = Some(PathBuf::from("."));
    let overrides = Overrides { config: args.config.clone(), data_dir, ..Overrides::default() };
    let config = match config::load(&overrides, env) {
        Ok(config) => config,
        Err(problems) => {
            writeln!(err, "{}", problems.render(false))?;
            return Ok(exit::CONFIG);
        }
    };
    let stories = match stories(&args.stories, env) {
        Ok(stories) => stories,
        Err((why, hint)) => return Ok(exit::fail(exit::USAGE, &why, &hint)),
    };
    let is_only = stories.len() == 1;
    let mut all_held = true;
    for (at, story) in stories.iter().enumerate() {
        let report = play(story, &config.policy, args);
        all_held &= report.holds;
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            writeln!(out, "{}{report}", if at == 0 { "" } else { "\n" })?;
        }
        out.flush()?;
        if let Some(path) = &args.svg {
            let path = env.path(&if is_only { path.clone() } else { named(path, &story.name) });
            if let Err(error) = std::fs::write(&path, rehearsal::svg(&report)) {
                let why = format!("cannot write {}: {error}", path.display());
                return Ok(exit::fail(exit::CANNOT_START, &why, "choose another place with --svg"));
            }
        }
    }
    if !args.json {
        let of = config.file.as_deref().map_or("the defaults".to_owned(), |path| path.display().to_string());
        writeln!(err, "{} of virtual time, under {of}", plural(stories.len()))?;
    }
    Ok(if all_held { exit::OK } else { exit::FOUND })
}

fn play(story: &Story, policy: &Policy, args: &RehearseArgs) -> Report {
    rehearse::run_seeds(story, policy, args.seed, args.seeds)
}

fn plural(stories: usize) -> String {
    if stories == 1 { "1 story".into() } else { format!("{stories} stories") }
}

/// The stories that were asked for, each read; or what is wrong with the first that is not right.
fn stories(asked: &[String], env: &Environment) -> Result<Vec<Story>, (String, String)> {
    if asked.is_empty() {
        return Ok(seawall_sim::story::builtin());
    }
    asked.iter().map(|name| story(name, env)).collect()
}

fn story(name: &str, env: &Environment) -> Result<Story, (String, String)> {
    let parse =
        |name: &str, text: &str| Story::parse(name, text).map_err(|problem| (problem.to_string(), String::new()));
    if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return parse(name, text);
    }
    let path = Path::new(name);
    let mut text = String::new();
    let max = u64::try_from(TEXT_MAX).unwrap_or(u64::MAX);
    match File::open(env.path(path)).and_then(|file| file.take(max + 1).read_to_string(&mut text)) {
        Ok(_) => parse(&path.file_stem().unwrap_or_default().to_string_lossy(), &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let why = format!("there is no story \"{name}\", neither built in nor as a file");
            let near = config::nearest(name, BUILT_IN.iter().map(|(known, _)| *known));
            let meant = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            let hint = format!("{meant}`seawall rehearse --list` prints those that are built in");
            Err((why, hint))
        }
        Err(error) => Err((format!("cannot read {name}: {error}"), String::new())),
    }
}

/// `outage.svg` for story `c` is `outage-c.svg`.
fn named(path: &Path, story: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{story}{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(stories: &[&str]) -> RehearseArgs {
        RehearseArgs {
            stories: stories.iter().map(ToString::to_string).collect(),
            config: None,
            seed: 1,
            seeds: 1,
            svg: None,
            json: false,
            list: false,
        }
    }

    fn told(args: &RehearseArgs) -> (Exit, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(args, &Environment::empty(), &mut out, &mut err).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_story_is_told_with_its_bars_and_beside_others() {
        let (exit, told) = told(&args(&["e1"]));
        assert_eq!(exit, exit::OK, "{told}");
        for word in ["e1: ", "held", "seawall", "none", "sdk"] {
            assert!(told.contains(word), "{word} in {told}");
        }
    }

    #[test]
    fn json_is_one_object_per_story_with_its_id_first() {
        let (_, told) = told(&RehearseArgs { json: true, ..args(&["a", "e1"]) });
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("{\"story\":\"a\""), "{told}");
        let object: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert!(object["holds"].is_boolean() && object["bars"].is_array(), "{object}");
    }

    #[test]
    fn the_same_seed_tells_the_same() {
        assert_eq!(told(&args(&["b"])), told(&args(&["b"])));
        assert_ne!(told(&args(&["b"])), told(&RehearseArgs { seed: 2, ..args(&["b"]) }));
    }

    #[test]
    fn a_story_that_is_not_there_is_a_wrong_use() {
        assert_eq!(told(&args(&["no-such-story"])).0, exit::USAGE);
    }

    #[test]
    fn a_story_that_is_near_is_named() {
        let hint = |name| story(name, &Environment::empty()).unwrap_err().1;
        assert!(hint("c-wiat").starts_with("did you mean `c-wait`? "), "{}", hint("c-wiat"));
        assert!(hint("friday.story").starts_with("`seawall rehearse --list`"));
    }

    #[test]
    fn several_plots_have_several_names() {
        assert_eq!(named(Path::new("/x/outage.svg"), "c"), Path::new("/x/outage-c.svg"));
        assert_eq!(named(Path::new("plot"), "c"), Path::new("plot-c"));
    }

    #[test]
    fn the_built_in_stories_are_listed() {
        let (exit, told) = told(&RehearseArgs { list: true, ..args(&[]) });
        assert_eq!(exit, exit::OK);
        assert_eq!(told.lines().count(), BUILT_IN.len());
    }
}
