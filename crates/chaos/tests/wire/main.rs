//! What chaos really does on the wire, read byte by byte by a client without any HTTP library.

mod client;

mod control;
mod faults;
mod requests;
mod server;
mod steps;
