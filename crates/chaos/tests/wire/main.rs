//! What chaos really does on the wire, read byte by byte by a client without any HTTP library.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;

mod control;
mod faults;
mod requests;
mod server;
mod sockets;
mod steps;
mod validator;
