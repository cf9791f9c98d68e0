//! Every way an attempt can go wrong, in one vocabulary for the judge, the rehearsal and chaos.
//!
//! The first group is what a sender notices on the wire without a usable reply; [`judge`] maps
//! each to a class. The second is what a reply itself can do wrong; there the status and the body
//! decide, and the words exist so that chaos can be told to do it and a test can say which.
//!
//! [`judge`]: crate::verdict::judge_fault

use crate::words::words;

words! {
    /// One way an attempt can go wrong.
    pub enum Fault {
        /// The upstream's name did not resolve.
        Resolve = "resolve",
        /// The connection was refused, or no route led there.
        Refused = "refused",
        /// No connection within the connect timeout.
        ConnectTimeout = "connect_timeout",
        /// The TLS handshake failed: certificate, name or protocol.
        Tls = "tls",
        /// The connection ended before a byte of the request was written.
        NotSent = "not_sent",
        /// A kept-alive connection ended within 250 ms of the write, without a byte of reply.
        Stale = "stale",
        /// Reset or closed after the request was written, before the head of a reply.
        Reset = "reset",
        /// The reply was not HTTP, or its head was cut.
        Garbage = "garbage",
        /// No first content within its limit.
        FirstContentTimeout = "first_content_timeout",
        /// The deadline passed while the attempt was under way.
        Deadline = "deadline",
        /// The body ended before its length or its last chunk.
        Truncated = "truncated",
        /// The body was reset half-way.
        BodyReset = "body_reset",
        /// Bytes stopped flowing for longer than the idle limit.
        Stall = "stall",
        /// The body could not be decoded: chunk framing or compression.
        Undecodable = "undecodable",

        /// An error status with a well-formed error body.
        Status = "status",
        /// An error status with an HTML page.
        Html = "html",
        /// An error status with plain text.
        Text = "text",
        /// An error status with no body, or an unreadable one.
        Empty = "empty",
        /// A success status with an error object inside.
        ErrorIn200 = "error_in_200",
        /// A success status with an empty body where JSON was promised.
        Empty200 = "empty_200",
        /// A success status with an HTML page, or other text, where JSON was promised.
        Html200 = "html_200",
        /// A stream whose first event is an error.
        StreamError = "stream_error",
        /// A stream that ended without its terminal marker.
        StreamCut = "stream_cut",
        /// A stream that ended before any content: empty, or only a role.
        StreamEmpty = "stream_empty",
        /// A stream was asked for, and a JSON body came.
        StreamJson = "stream_json",
        /// The reply repeats the request's own words in its error message.
        Echo = "echo",
        /// The reply came late, but came.
        Slow = "slow",
    }
}
