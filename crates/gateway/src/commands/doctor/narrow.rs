//! The search for the smallest part that still fails: of the tools, then of one tool's definition.
//!
//! Two halves are sent in turn until one was answered: the other then has it, and each level costs
//! three sends, whatever chance does meanwhile. Only where neither half fails, because two parts are
//! wrong together, single parts are taken away one after the other.
//!
//! What was found is believed only when, sent alone, it failed again and again, while all the rest was
//! answered in between, so often that chance is ruled out.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::draft::{Tool, Tools};
use super::exam::{Exam, Outcome, Stop};
use super::outline::{Inside, Node, Path};

/// Failures of a half, the other half answered, until it counts as failing.
const FAILS_BELIEVED: u32 = 2;
/// The chance, in a million, that what is blamed failed by accident: seven pairs where nothing else fails.
const CHANCE_PPM_MAX: u64 = 500;
/// Pairs of sends until it is given up to rule out chance: enough where a third of all requests fail.
const PAIRS_MAX: u64 = 20;
/// Independent causes that are looked for, among the tools and in one definition.
const CAUSES_MAX: usize = 4;

/// Which half fails.
enum Half {
    First,
    Second,
    Both,
    Neither,
}

/// What the search among the tools found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Each cause: the places in the draft of tools that fail together. Empty if no tool is to blame.
    pub(super) causes: Vec<Vec<usize>>,
    /// Whether the request without all of them was answered.
    pub(super) is_all: bool,
}

type Compose<'c> = dyn Fn(&[usize]) -> (String, Bytes) + 'c;

/// The tools that make the request fail, in the way it failed.
pub(super) async fn tools(exam: &mut Exam<'_>, streams: bool) -> Result<Found, Stop> {
    let draft = exam.draft;
    let count = draft.tools.len();
    let compose = |kept: &[usize]| {
        let definitions: Vec<String> = kept.iter().map(|at| draft.tools[*at].node.text.to_owned()).collect();
        let what = match kept {
            [] => "without tools".to_owned(),
            [one] => format!("with {} alone", shown(&draft.tools[*one])),
            _ => format!("with {} of {count} tools: {}", kept.len(), ranges(kept)),
        };
        let tools = if kept.is_empty() { Tools::None } else { Tools::These(&definitions) };
        (what, draft.with(streams, tools))
    };
    let mut found = Found { causes: Vec::new(), is_all: false };
    let mut rest: Vec<usize> = (0..count).collect();
    while found.causes.len() < CAUSES_MAX {
        let half = rest.len() / 2;
        let cause = minimal(exam, streams, rest.clone(), half, &compose).await?;
        rest.retain(|tool| !cause.contains(tool));
        let Some(is_rest_right) = confirm(exam, streams, &cause, &rest, &compose).await? else { break };
        found.causes.push(cause);
        if is_rest_right {
            found.is_all = true;
            break;
        }
    }
    Ok(found)
}

/// Whether `cause` alone fails beyond chance, and then whether `rest` is right; `None`: it is not to blame.
///
/// Both are sent in turn, and only these sends count: what came before chose the suspect, and would
/// find it guilty by the luck that made it one.
async fn confirm(
    exam: &mut Exam<'_>,
    streams: bool,
    cause: &[usize],
    rest: &[usize],
    compose: &Compose<'_>,
) -> Result<Option<bool>, Stop> {
    let ((alone, alone_body), mut beside) = (compose(cause), compose(rest));
    let is_rest_right = exam.settled(&beside.0, streams, &beside.1).await? == Outcome::Answered;
    if !is_rest_right {
        // More of the rest is wrong: the request without any tool stands in for it.
        beside = compose(&[]);
    }
    let (mut fails, mut sent, mut answered) = (0, 0, 0);
    for _ in 0..PAIRS_MAX {
        match exam.send(&alone, streams, &alone_body).await?.0 {
            Outcome::Failed => fails += 1,
            Outcome::Answered | Outcome::Refused => return Ok(None),
        }
        answered += u64::from(exam.send(&beside.0, streams, &beside.1).await?.0 == Outcome::Answered);
        sent += 1;
        if chance_ppm(fails, sent, answered) <= CHANCE_PPM_MAX {
            return Ok(Some(is_rest_right));
        }
    }
    Ok(None)
}

/// The chance, in a million, that of `sent` and `fails` sends that are all alike, as many as were `answered`
/// are all among the first: Fisher's exact test.
fn chance_ppm(fails: u64, sent: u64, answered: u64) -> u64 {
    (0..answered).fold(1_000_000, |chance, at| chance * (sent - at) / (sent + fails - at))
}

/// The smallest part of `all`, which fails, that still fails. The first of two parts to try has `split` in it.
async fn minimal(
    exam: &mut Exam<'_>,
    streams: bool,
    all: Vec<usize>,
    split: usize,
    compose: &Compose<'_>,
) -> Result<Vec<usize>, Stop> {
    let (mut suspects, mut split) = (all, split);
    while suspects.len() > 1 {
        let (first, second) = suspects.split_at(split.clamp(1, suspects.len() - 1));
        suspects = match half(exam, streams, [first, second], compose).await? {
            // Of two that fail on their own, the other one is found when this one is out of the way.
            Half::First | Half::Both => first.to_vec(),
            Half::Second => second.to_vec(),
            Half::Neither => return sieve(exam, streams, suspects, compose).await,
        };
        split = suspects.len() / 2;
    }
    Ok(suspects)
}

async fn half(exam: &mut Exam<'_>, streams: bool, halves: [&[usize]; 2], compose: &Compose<'_>) -> Result<Half, Stop> {
    let composed = halves.map(compose);
    let (mut fails, mut is_right) = ([0, 0], [false, false]);
    for turn in 0..2 * exam.fails_believed() {
        let side = usize::from(turn % 2 == 1);
        if is_right[side] {
            continue;
        }
        let (what, body) = &composed[side];
        match exam.send(what, streams, body).await?.0 {
            Outcome::Failed => fails[side] += 1,
            Outcome::Answered | Outcome::Refused => is_right[side] = true,
        }
        match is_right {
            [true, true] => return Ok(Half::Neither),
            [true, false] if fails[1] >= FAILS_BELIEVED => return Ok(Half::Second),
            [false, true] if fails[0] >= FAILS_BELIEVED => return Ok(Half::First),
            _ => {}
        }
    }
    Ok(Half::Both)
}

/// Takes away what is not needed to fail, in ever smaller pieces.
async fn sieve(exam: &mut Exam<'_>, streams: bool, all: Vec<usize>, compose: &Compose<'_>) -> Result<Vec<usize>, Stop> {
    let mut suspects = all;
    let mut piece = suspects.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < suspects.len() && suspects.len() > 1 {
            let end = (at + piece).min(suspects.len());
            let rest = [&suspects[..at], &suspects[end..]].concat();
            let (what, body) = compose(&rest);
            let is_needed = rest.is_empty() || exam.settled(&what, streams, &body).await? != Outcome::Failed;
            if is_needed { at = end } else { suspects = rest }
        }
        piece /= 2;
    }
    Ok(suspects)
}

/// The parts of a tool's definition that make it fail, each the smallest one: paths seen from the tool;
/// and whether the tool without them was answered.
pub(super) async fn parts(exam: &mut Exam<'_>, streams: bool, tool: &Tool<'_>) -> Result<(Vec<Path>, bool), Stop> {
    let (mut found, mut left_out) = (Vec::new(), BTreeSet::new());
    while found.len() < CAUSES_MAX {
        let part = deepest(exam, streams, tool, &left_out).await?;
        let is_whole = part.len() <= tool.function().len();
        found.push(part.clone());
        if is_whole {
            return Ok((found, false));
        }
        left_out.extend(expanded(tool, part));
        let what = format!("with {} alone, without what was found", shown(tool));
        let body = exam.draft.with(streams, Tools::These(&[tool.without(&left_out)]));
        match exam.settled(&what, streams, &body).await? {
            Outcome::Answered => return Ok((found, true)),
            Outcome::Refused => break,
            Outcome::Failed => {}
        }
    }
    Ok((found, false))
}

/// From the function down, always into the only part that is needed to fail.
async fn deepest(exam: &mut Exam<'_>, streams: bool, tool: &Tool<'_>, left_out: &BTreeSet<Path>) -> Result<Path, Stop> {
    let draft = exam.draft;
    let (mut at, mut left_out) = (tool.function(), left_out.clone());
    loop {
        let mut children = removable(tool, &at);
        children.retain(|child| !left_out.contains(child));
        if tool.node.at(&at).is_none_or(|node| node.len() == 0) {
            return Ok(at);
        }
        // The likely ones first, and first against all others.
        let is_likely = |path: &Path| path.split_last().is_some_and(|(last, _)| is_likely(tool, &at, *last));
        children.sort_by_key(|path| !is_likely(path));
        let likely = children.iter().filter(|path| is_likely(path)).count();
        let place = tool.node.pointer(&at);
        let compose = |kept: &[usize]| {
            let gone = children.iter().enumerate().filter(|(child, _)| !kept.contains(child));
            let mut left_out = left_out.clone();
            left_out.extend(gone.flat_map(|(_, path)| expanded(tool, path.clone())));
            let (count, all) = (kept.len(), children.len());
            let place = if place.is_empty() { "its definition" } else { &place };
            let what = format!("with {} alone, {count} of {all} parts of {place}", shown(tool));
            (what, draft.with(streams, Tools::These(&[tool.without(&left_out)])))
        };
        let (what, body) = compose(&[]);
        if exam.settled(&what, streams, &body).await? == Outcome::Failed {
            return only_type(exam, streams, tool, &left_out, at).await;
        }
        let split = if (1..children.len()).contains(&likely) { likely } else { children.len() / 2 };
        match minimal(exam, streams, (0..children.len()).collect(), split, &compose).await?[..] {
            // What is beside it stays out: it may be wrong as well, and would hide what is being looked for.
            [one] => {
                let beside = children.iter().filter(|child| **child != children[one]);
                left_out.extend(beside.flat_map(|path| expanded(tool, path.clone())));
                at = children[one].clone();
            }
            _ => return Ok(at),
        }
    }
}

/// What is at `at` fails with nothing in it but its `type`: is that the cause?
async fn only_type(
    exam: &mut Exam<'_>,
    streams: bool,
    tool: &Tool<'_>,
    left_out: &BTreeSet<Path>,
    at: Path,
) -> Result<Path, Stop> {
    let Some((place, _)) = tool.node.at(&at).filter(|_| is_schema(tool, &at)).and_then(|node| node.member("type"))
    else {
        return Ok(at);
    };
    let kind = [&at[..], &[place]].concat();
    let mut left_out = left_out.clone();
    left_out.extend(removable(tool, &at));
    left_out.insert(kind.clone());
    let what = format!("with {} alone, nothing in {}", shown(tool), tool.node.pointer(&at));
    let body = exam.draft.with(streams, Tools::These(&[tool.without(&left_out)]));
    let is_cause = exam.settled(&what, streams, &body).await? != Outcome::Failed;
    Ok(if is_cause { kind } else { at })
}

/// The parts of what is at `at` that a definition can do without and still be one.
fn removable(tool: &Tool<'_>, at: &[usize]) -> Vec<Path> {
    let Some(node) = tool.node.at(at) else { return Vec::new() };
    let (is_function, is_schema) = (*at == *tool.function(), is_schema(tool, at));
    let stays = |key: &str| (is_function && matches!(key, "name" | "type")) || (is_schema && key == "type");
    let parts = (0..node.len()).filter(|part| !node.key(*part).is_some_and(stays));
    parts.map(|part| [at, &[part]].concat()).collect()
}

/// Members of schemas and functions that are wrong more often than others.
const LIKELY: [&str; 7] = ["parameters", "properties", "items", "anyOf", "oneOf", "pattern", "format"];

fn is_likely(tool: &Tool<'_>, at: &[usize], part: usize) -> bool {
    let key = tool.node.at(at).and_then(|node| node.key(part));
    (is_schema(tool, at) || *at == *tool.function()) && key.is_some_and(|key| LIKELY.contains(&key))
}

/// Members of a schema whose own members are schemas under names.
const MAPS: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// Whether what is at `at` is a schema, and not a list of them under the names of properties.
fn is_schema(tool: &Tool<'_>, at: &[usize]) -> bool {
    let Some(parameters) = tool.parameters().filter(|parameters| at.starts_with(parameters)) else { return false };
    let mut is_map = false;
    for end in parameters.len()..at.len() {
        let key = tool.node.at(&at[..end]).and_then(|node| node.key(at[end]));
        is_map = !is_map && key.is_some_and(|key| MAPS.contains(&key));
    }
    !is_map && tool.node.at(at).is_some_and(|node| matches!(node.inside, Inside::Members(_)))
}

/// The paths to leave out for `part` to be gone: of the outermost `properties` what is inside, so that the
/// schema stays one of an object.
fn expanded(tool: &Tool<'_>, part: Path) -> Vec<Path> {
    let properties = tool.parameters().and_then(|mut path| {
        path.push(tool.node.at(&path)?.member("properties")?.0);
        Some(path)
    });
    if properties.as_ref() != Some(&part) {
        return vec![part];
    }
    let count = tool.node.at(&part).map_or(0, Node::len);
    (0..count).map(|inner| [&part[..], &[inner]].concat()).collect()
}

/// A tool, for people.
pub(super) fn shown(tool: &Tool<'_>) -> String {
    match &tool.name {
        Some(name) => format!("tool {} ({name})", tool.at),
        None => format!("tool {}", tool.at),
    }
}

/// `0-4, 7`.
fn ranges(places: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == *place => *end = *place,
            _ => runs.push((*place, *place)),
        }
    }
    let run = |(from, to): &(usize, usize)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_ruled_out_by_seven_pairs_and_later_where_more_fails() {
        assert_eq!(chance_ppm(1, 1, 1), 500_000);
        assert!(chance_ppm(6, 6, 6) > CHANCE_PPM_MAX && chance_ppm(7, 7, 7) <= CHANCE_PPM_MAX);
        assert!(chance_ppm(9, 9, 7) > CHANCE_PPM_MAX && chance_ppm(10, 10, 8) <= CHANCE_PPM_MAX);
        let most = PAIRS_MAX;
        assert!(chance_ppm(most, most, most * 2 / 3) <= CHANCE_PPM_MAX, "where a third fails it can be told");
        assert!(chance_ppm(most, most, most / 4) > CHANCE_PPM_MAX, "where three of four fail it cannot");
        assert_eq!(chance_ppm(3, 3, 0), 1_000_000);
    }

    #[test]
    fn runs_of_places_are_told_short() {
        assert_eq!(ranges(&[0, 1, 2, 4, 6, 7]), "0-2, 4, 6-7");
        assert_eq!(ranges(&[3]), "3");
    }
}
