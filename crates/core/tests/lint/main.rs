//! The linter, rule by rule and by laws.

mod calls;
mod checks;
mod corpus;
mod documents;
mod laws;
mod mended;
mod rules;
mod schemas;
mod tools;
