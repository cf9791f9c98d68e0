//! The verbs, one file each.

pub(crate) mod bill;
pub(crate) mod chaos;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod failures;
pub(crate) mod incidents;
pub(crate) mod journal;
pub(crate) mod lint;
pub(crate) mod literal;
pub(crate) mod rehearse;
pub(crate) mod report;
mod running;
pub(crate) mod screen;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod top;
