//! Posted scripts: which step answers which request.
//!
//! A script answers one request a step, in the order of their arrival, and repeats its last. It
//! is for one model, so that tests can run side by side, or for every request whose model has no
//! script of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::error::Error;
use crate::stats::ScriptStats;
use crate::steps::Step;

/// The most steps of a script.
pub(crate) const STEPS_MAX: usize = 1024;
/// The most scripts at once.
pub(crate) const SCRIPTS_MAX: usize = 1024;

/// A script, as posted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// Only for requests whose body names this model.
    #[serde(default)]
    pub(crate) for_model: Option<String>,
    pub(crate) steps: Vec<Step>,
}

impl Script {
    pub(crate) fn parse(json: &[u8]) -> Result<Script, Error> {
        let script: Script = serde_json::from_slice(json).map_err(|error| Error::new(format!("script: {error}")))?;
        if !(1..=STEPS_MAX).contains(&script.steps.len()) {
            return Err(Error::new(format!("script of {} steps, limit 1 to {STEPS_MAX}", script.steps.len())));
        }
        Ok(script)
    }
}

/// Scripts at work, each with its own place.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    for_all: Option<Running>,
    for_model: BTreeMap<String, Running>,
}

#[derive(Debug)]
struct Running {
    steps: Vec<Arc<Step>>,
    used: u64,
}

impl Scripts {
    /// Puts `script` in place of the one with the same scope.
    pub(crate) fn put(&mut self, script: Script) -> Result<(), Error> {
        let running = Running { steps: script.steps.into_iter().map(Arc::new).collect(), used: 0 };
        match script.for_model {
            None => self.for_all = Some(running),
            Some(model) => {
                if self.for_model.len() >= SCRIPTS_MAX && !self.for_model.contains_key(&model) {
                    return Err(Error::new(format!("script: limit {SCRIPTS_MAX} at once")));
                }
                self.for_model.insert(model, running);
            }
        }
        Ok(())
    }

    /// The next step for a request for `model`, and its number from 1.
    pub(crate) fn next(&mut self, model: Option<&str>) -> Option<(Arc<Step>, u64)> {
        let own = model.and_then(|model| self.for_model.get_mut(model));
        let running = own.or(self.for_all.as_mut())?;
        let place = usize::try_from(running.used).unwrap_or(usize::MAX).min(running.steps.len() - 1);
        running.used += 1;
        Some((Arc::clone(&running.steps[place]), u64::try_from(place).unwrap_or(u64::MAX) + 1))
    }

    pub(crate) fn rewind(&mut self) {
        self.for_all.iter_mut().chain(self.for_model.values_mut()).for_each(|running| running.used = 0);
    }

    pub(crate) fn stats(&self) -> Vec<ScriptStats> {
        let stats = |for_model: Option<&String>, running: &Running| ScriptStats {
            for_model: for_model.cloned(),
            steps: running.steps.len(),
            used: running.used,
        };
        let for_all = self.for_all.iter().map(|running| stats(None, running));
        for_all.chain(self.for_model.iter().map(|(model, running)| stats(Some(model), running))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_of_a_model_keeps_its_own_place() {
        let mut scripts = Scripts::default();
        scripts.put(Script::parse(br#"{"steps":[{"status":500},{"status":200}]}"#).unwrap()).unwrap();
        scripts.put(Script::parse(br#"{"steps":[{"status":503}],"for_model":"m1"}"#).unwrap()).unwrap();
        let mut places = |model| scripts.next(model).map(|(_, place)| place);
        assert_eq!(
            [places(None), places(Some("m1")), places(Some("m2")), places(None)],
            [Some(1), Some(1), Some(2), Some(2)]
        );
        assert_eq!(scripts.stats().iter().map(|stats| stats.used).collect::<Vec<_>>(), [3, 1]);
        scripts.rewind();
        assert_eq!(scripts.next(None).unwrap().1, 1);
    }

    #[test]
    fn steps_and_scripts_end_at_their_limits() {
        assert!(Script::parse(br#"{"steps":[]}"#).is_err());
        let steps = |n: usize| format!("{{\"steps\":[{}]}}", vec!["{}"; n].join(","));
        assert!(Script::parse(steps(STEPS_MAX).as_bytes()).is_ok());
        assert!(Script::parse(steps(STEPS_MAX + 1).as_bytes()).is_err());
        let script =
            |model: usize| Script::parse(format!("{{\"steps\":[{{}}],\"for_model\":\"{model}\"}}").as_bytes()).unwrap();
        let mut scripts = Scripts::default();
        for model in 0..SCRIPTS_MAX {
            scripts.put(script(model)).unwrap();
        }
        assert!(scripts.put(script(0)).is_ok(), "in place of its own");
        assert!(scripts.put(script(SCRIPTS_MAX)).unwrap_err().to_string().contains("limit 1024"));
    }
}
