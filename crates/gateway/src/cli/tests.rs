//! What holds of every verb's help. The tree is walked, so that a new verb is held to it as well.

use clap::error::ErrorKind;
use clap::{Arg, Command};

use super::*;

/// Lines of examples are for a terminal of this width.
const WIDTH: usize = 80;

/// Every verb and what it is called, the program itself first.
fn tree() -> Vec<(Vec<String>, Command)> {
    let mut all = Vec::new();
    let mut left = vec![(Vec::new(), built())];
    while let Some((path, command)) = left.pop() {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
            let mut path = path.clone();
            path.push(below.get_name().to_owned());
            left.push((path, below.clone()));
        }
        all.push((path, command));
    }
    all
}

fn built() -> Command {
    let mut command = <Cli as clap::CommandFactory>::command();
    command.build();
    command
}

fn name(path: &[String]) -> String {
    path.join(" ")
}

/// The command lines of the examples, without what is said of them.
fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim_start().split("  ").next().unwrap_or_default().to_owned()).collect()
}

/// The words of a command line up to a pipe or a redirection, quotes taken off.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => {
                if matches!(word.as_str(), "|" | ">" | "<") {
                    return words;
                }
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
            }
            (_, c) => word.push(c),
        }
    }
    words
}

#[test]
fn every_verb_has_two_to_four_examples_of_itself_that_parse() {
    for (path, command) in tree() {
        let examples = examples(&command);
        let is_few = (2..=5).contains(&examples.len());
        assert!(is_few, "seawall {}: {} examples below \"Examples:\"", name(&path), examples.len());
        for line in examples {
            let words = words(&line);
            if path.is_empty() {
                assert_eq!(words[0], "seawall", "{line}");
            } else {
                let own: Vec<String> = ["seawall".to_owned()].into_iter().chain(path.clone()).collect();
                assert_eq!(words[..own.len().min(words.len())], own, "{line}");
            }
            match <Cli as clap::Parser>::try_parse_from(words) {
                Err(error) if !matches!(error.kind(), ErrorKind::DisplayHelp) => panic!("{line}\n{error}"),
                _ => {}
            }
        }
    }
}

#[test]
fn what_stands_below_the_flags_fits_a_terminal() {
    let mut wide = Vec::new();
    for (path, command) in tree() {
        let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().filter(|line| line.chars().count() > WIDTH);
        wide.extend(lines.map(|line| format!("seawall {}: {line}", name(&path))));
    }
    assert!(wide.is_empty(), "wider than {WIDTH} columns:\n{}", wide.join("\n"));
}

#[test]
fn every_verb_says_in_one_line_what_it_does() {
    for (path, command) in tree() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        said(&format!("seawall {}", name(&path)), &about);
        assert!(about.chars().count() <= 100, "{about}");
        if path.len() == 1 && !["config", "completions"].contains(&path[0].as_str()) {
            let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
            assert!(long.len() > about.len() + 40 && long.ends_with('.'), "{}: {long}", name(&path));
        }
    }
}

#[test]
fn every_flag_says_what_it_is() {
    for (path, command) in tree() {
        let is_ours = |arg: &&Arg| !["help", "version"].contains(&arg.get_id().as_str());
        for arg in command.get_arguments().filter(is_ours) {
            let what = format!("seawall {} {}", name(&path), arg.get_id());
            said(&what, &arg.get_help().map(ToString::to_string).unwrap_or_default());
            for value in arg.get_possible_values().iter().filter_map(|value| value.get_help()) {
                said(&what, &value.to_string());
            }
            let is_shown = arg.get_env().is_none() || arg.is_hide_env_values_set();
            assert!(is_shown, "{what}: help must not depend on what is set: hide_env_values");
        }
    }
}

/// A description: it begins like a sentence and ends like a heading.
fn said(of: &str, text: &str) {
    assert!(!text.is_empty(), "{of}: there is no description");
    let is_begun = text.starts_with(|c: char| c.is_uppercase() || c == '`') || text.starts_with("SARIF");
    assert!(is_begun, "{of}: \"{text}\" begins with a small letter");
    assert!(!text.ends_with('.'), "{of}: \"{text}\" ends with a full stop");
}

#[test]
fn variables_that_help_names_are_on_the_first_page() {
    let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
    for (path, mut command) in tree() {
        let help = command.render_long_help().to_string();
        for at in help.match_indices("SEAWALL_").map(|(at, _)| at) {
            let end = help[at..].find(|c: char| !c.is_ascii_uppercase() && c != '_').map_or(help.len(), |n| at + n);
            assert!(known.contains(&&help[at..end]), "seawall {}: {}", name(&path), &help[at..end]);
        }
    }
}

#[test]
fn the_short_help_is_short() {
    for (path, mut command) in tree() {
        let help = command.render_help().to_string();
        assert!(!help.contains("Examples:"), "seawall {} -h is a summary", name(&path));
    }
}

#[test]
fn a_slip_is_told_with_what_was_probably_meant() {
    let tip = |line: &str| match <Cli as clap::Parser>::try_parse_from(line.split(' ')) {
        Ok(_) => panic!("{line} is taken"),
        Err(error) => error.to_string(),
    };
    for (line, meant) in [
        ("seawall serv", "'serve'"),
        ("seawall incidents shwo", "'show'"),
        ("seawall config chekc", "'check'"),
        ("seawall failures --journl x", "'--journal'"),
        ("seawall failures --class overloadd", "'overloaded'"),
        ("seawall lint --target azur x", "'azure'"),
        ("seawall lint --format jsn x", "'json'"),
        ("seawall bill --by modle", "'model'"),
        ("seawall report --format mdd", "'md'"),
        ("seawall doctor x --endpoint response", "'responses'"),
        ("seawall serve --log-format jsn", "'json'"),
        ("seawall completions bahs", "'bash'"),
    ] {
        let said = tip(line);
        assert!(said.contains("similar") && said.contains(meant), "{line}: {said}");
    }
}

/// Pages with command lines in them; what is generated is left out.
fn guides() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders =
        ["docs/start", "docs/guides", "docs/concepts"].map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).chain([root.join("README.md")]);
    files.map(|file| (file.display().to_string(), std::fs::read_to_string(&file).unwrap())).collect()
}

/// Command lines of ours in a page: of blocks of code and of code within a line.
fn commands(text: &str) -> Vec<String> {
    // A line of a Cargo.toml names the library.
    let is_ours = |line: &&str| line.starts_with("seawall ") && !line.starts_with("seawall = ");
    let lines = text.lines().map(|line| line.trim_start_matches("$ ").split("  #").next().unwrap_or_default());
    let spans = text.split('`').skip(1).step_by(2).filter(|span| !span.contains('\n'));
    lines
        .chain(spans)
        .filter(is_ours)
        .map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned())
        .collect()
}

#[test]
fn command_lines_of_the_guides_exist() {
    let mut count = 0;
    for (page, text) in guides() {
        for line in commands(&text) {
            // What the program says is no command, as its first line or the head of `top`; neither is one with several verbs in it.
            let is_said = line.starts_with("seawall is ready") || line.starts_with("seawall 0.");
            if is_said || line.contains("\\|") || line.contains('…') {
                continue;
            }
            let words: Vec<String> =
                words(&line.replace(" &", "")).into_iter().map(|word| word.replace("inc_x", "inc_0")).collect();
            count += 1;
            let Err(error) = <Cli as clap::Parser>::try_parse_from(&words) else { continue };
            let is_named_only = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument
                    | ErrorKind::DisplayHelp
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            // A flag that is spoken of has no value.
            let is_named_only = is_named_only || error.to_string().contains("none was supplied");
            assert!(is_named_only, "{page}: {line}\n{error}");
        }
    }
    assert!(count > 80, "{count} command lines: are they still found?");
}

#[test]
fn serve_is_told_the_same_by_the_short_way_and_the_long_one() {
    let both = |flags: &[&str]| {
        let words: Vec<OsString> = ["seawall", "serve"].iter().chain(flags).map(OsString::from).collect();
        (Cli::of(words.clone().into_iter()), <Cli as clap::Parser>::try_parse_from(words))
    };
    for flags in [&[][..], &["--listen", "127.0.0.1:0", "--max-retries", "2"], &["--config=x", "--log-format", "json"]]
    {
        let (short, long) = both(flags);
        assert_eq!(format!("{:?}", short.unwrap()), format!("{:?}", long.unwrap()), "{flags:?}");
    }
    for flags in [["--help"], ["-h"], ["--version"], ["--lisen"], ["--listen=x"], ["more"]] {
        let (short, long) = both(&flags);
        assert_eq!(short.unwrap_err().to_string(), long.unwrap_err().to_string(), "{flags:?}");
    }
}
