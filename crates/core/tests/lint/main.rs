//! The linter, rule by rule and by laws.

mod checks;
mod rules;

use checks::found;
