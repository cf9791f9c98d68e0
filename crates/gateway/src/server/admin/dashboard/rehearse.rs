//! `/rehearse`: an outage, played in virtual time against the settings that are in force here. Nothing is sent anywhere.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use http::{HeaderMap, StatusCode};
use seawall_core::plan::policy::Policy;
use seawall_sim::rehearse::{self, Report};
use seawall_sim::story::{self, Story};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::Admin;
use super::super::query::pairs;
use super::super::reply::Reply;
use super::{Frame, page};
use crate::chart::rehearsal;

/// Rehearsals at a time: each takes all of a core for as long as it lasts.
const PLAYS_MAX: usize = 1;
/// Whoever comes meanwhile waits for a place as long as this.
const PLACE_WITHIN: Duration = Duration::from_secs(10);
/// Seeds that one rehearsal may play: the command line has more.
const SEEDS_MAX: u64 = 10;
/// How many are played where nothing is said: what one seed does is chance.
const SEEDS: &str = "5";

/// Where rehearsals are played.
pub(in super::super) struct Stage {
    policy: Arc<Policy>,
    places: Arc<Semaphore>,
}

impl Stage {
    /// A stage for these settings.
    pub(in super::super) fn new(policy: Policy) -> Stage {
        Stage { policy: Arc::new(policy), places: Arc::new(Semaphore::new(PLAYS_MAX)) }
    }

    /// Plays a story; `None` if there was no place in time. A play that nobody waits for any more keeps its place
    /// until it is over.
    async fn play(&self, story: Story, seeds: u64) -> Option<Report> {
        let place = timeout(PLACE_WITHIN, Arc::clone(&self.places).acquire_owned()).await.ok()?.ok()?;
        let policy = Arc::clone(&self.policy);
        let playing = tokio::task::spawn_blocking(move || {
            let _place = place;
            rehearse::run_seeds(&story, &policy, 1, seeds)
        });
        playing.await.ok()
    }
}

#[derive(Template)]
#[template(path = "rehearse.html")]
struct Page {
    frame: Frame,
    stories: Vec<Choice>,
    seeds: u64,
    seeds_max: u64,
    wrong: Option<String>,
    played: Option<Played>,
}

struct Choice {
    name: String,
    title: String,
    is_chosen: bool,
}

struct Played {
    title: String,
    holds: bool,
    chart: String,
    bars: Vec<Bar>,
    names: Vec<&'static str>,
    figures: Vec<(String, Vec<String>)>,
    command: String,
}

struct Bar {
    of: &'static str,
    figure: String,
    limit: String,
    measured: String,
    holds: bool,
}

impl Admin {
    /// The stories that there are and, if one is asked for, what it came to.
    pub(super) async fn rehearse(&self, query: Option<&str>, headers: &HeaderMap) -> Reply {
        let given = pairs(query);
        let value = |name: &str| given.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let seeds = match value("seeds").unwrap_or(SEEDS).parse::<u64>() {
            Ok(seeds) if (1..=SEEDS_MAX).contains(&seeds) => Ok(seeds),
            _ => Err(format!("seeds: a number from 1 to {SEEDS_MAX} is wanted")),
        };
        let stories = story::builtin();
        let asked = value("story").map(|name| {
            let found = stories.iter().find(|story| story.name == name);
            found.cloned().ok_or_else(|| "story: there is none of this name".to_owned())
        });
        let frame = self.frame("Rehearse", "/rehearse", "", headers);
        let chosen = value("story").unwrap_or("c");
        let choices = stories
            .iter()
            .map(|story| Choice {
                name: story.name.clone(),
                title: story.title.clone(),
                is_chosen: story.name == chosen,
            })
            .collect();
        let mut whole = Page {
            frame,
            stories: choices,
            seeds: *seeds.as_ref().unwrap_or(&1),
            seeds_max: SEEDS_MAX,
            wrong: None,
            played: None,
        };
        let mut status = StatusCode::OK;
        match (asked, seeds) {
            (None, _) => {}
            (Some(Err(why)), _) | (Some(Ok(_)), Err(why)) => {
                (status, whole.wrong) = (StatusCode::BAD_REQUEST, Some(why));
            }
            (Some(Ok(story)), Ok(seeds)) => match self.stage.play(story, seeds).await {
                Some(report) => whole.played = Some(Played::of(&report, seeds)),
                None => {
                    let why = "another rehearsal is being played: try again when it is over".to_owned();
                    (status, whole.wrong) = (StatusCode::SERVICE_UNAVAILABLE, Some(why));
                }
            },
        }
        let mut reply = page(&whole);
        *reply.status_mut() = status;
        reply
    }
}

impl Played {
    fn of(report: &Report, seeds: u64) -> Played {
        let names: Vec<&'static str> = report.contenders.iter().map(|row| row.name).collect();
        let told = report.contenders.first().map_or(&[][..], |first| first.measured.as_slice());
        let figures = told.iter().map(|(figure, _)| {
            let of = |row: &rehearse::Row| {
                let found = row.measured.iter().find(|(known, _)| known == figure);
                found.map_or_else(String::new, |(figure, measured)| measured.say(figure.unit()))
            };
            (figure.name().to_owned(), report.contenders.iter().map(of).collect())
        });
        Played {
            title: report.title.clone(),
            holds: report.holds,
            chart: rehearsal::inline(report),
            bars: report
                .bars
                .iter()
                .map(|bar| Bar {
                    of: bar.of,
                    figure: bar.figure.name().to_owned(),
                    limit: format!("{} {}", bar.is, bar.limit_text),
                    measured: bar.measured_text.clone(),
                    holds: bar.holds,
                })
                .collect(),
            figures: figures.collect(),
            names,
            command: format!("seawall rehearse {} --seeds {seeds}", report.story),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_built_in_story_can_be_played_here_one_at_a_time() {
        let stage = Stage::new(Policy::default());
        let story = story::builtin().into_iter().find(|story| story.name == "c").unwrap();
        let report = stage.play(story, 1).await.unwrap();
        let played = Played::of(&report, 1);
        assert!(played.chart.starts_with("<svg ") && !played.chart.contains("<style>"));
        assert!(!played.bars.is_empty() && !played.figures.is_empty());
        assert!(played.figures.iter().all(|(_, values)| values.len() == played.names.len()));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_no_place_is_told_in_time() {
        let stage = Stage::new(Policy::default());
        let _all = stage.places.acquire_many(u32::try_from(PLAYS_MAX).unwrap()).await.unwrap();
        let story = story::builtin().swap_remove(0);
        assert!(stage.play(story, 1).await.is_none());
    }
}
