//! The endpoints under `/chaos`: for tests to look and to steer. They never misbehave.
//!
//! | request | does |
//! |---|---|
//! | `GET /chaos/stats` | answers [`Stats`](crate::Stats) |
//! | `POST /chaos/reset` | zeroes counts, begins dice and scripts again |
//! | `POST /chaos/script` | puts a script to work and zeroes the counts of what it is for |
//! | `DELETE /chaos/script` | removes all scripts |

use serde_json::json;

use crate::error::Error;
use crate::http_in::Request;
use crate::scripts::Script;
use crate::shared::Shared;

/// The largest script, in bytes.
const SCRIPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The status and the JSON to answer with.
pub(crate) fn answer(shared: &Shared, request: &Request) -> (u16, String) {
    match (request.method(), request.path()) {
        ("GET", "/chaos/stats") => (200, serde_json::to_string(&shared.stats()).expect("counts and strings are JSON")),
        ("POST", "/chaos/reset") => {
            shared.reset();
            (200, json!({"reset": true}).to_string())
        }
        ("POST", "/chaos/script") => match put(shared, request) {
            Ok(steps) => (200, json!({"steps": steps}).to_string()),
            Err(error) => (400, json!({"error": {"message": error.to_string()}}).to_string()),
        },
        ("DELETE", "/chaos/script") => {
            shared.remove_scripts();
            (200, json!({"steps": 0}).to_string())
        }
        (method, path) => {
            let hint = "GET /chaos/stats, POST /chaos/reset, POST or DELETE /chaos/script";
            let message = format!("no {method} {}\nhint: {hint}", crate::stats::cut(path));
            (404, json!({"error": {"message": message}}).to_string())
        }
    }
}

fn put(shared: &Shared, request: &Request) -> Result<usize, Error> {
    let body = request.body.kept();
    if !request.body.is_kept() || body.len() > SCRIPT_BYTES_MAX {
        return Err(Error::new(format!("script of {} bytes, limit {SCRIPT_BYTES_MAX}", request.body.bytes())));
    }
    let script = Script::parse(body)?;
    let steps = script.steps.len();
    shared.put_script(script)?;
    Ok(steps)
}
