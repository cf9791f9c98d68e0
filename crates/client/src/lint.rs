//! Tool definitions and requests that providers refuse, found before they are sent.
//!
//! Most 500s are the provider's. Malformed tool definitions are not, and come back as a 400, as a 500, or as an error inside a
//! stream, late and for the same text at different times. A test of one's own tools costs nothing:
//!
//! ```
//! use seawall::lint::{Options, Severity, Target, fixed, lint};
//!
//! let tools = br#"[{"type": "function", "function": {"name": "get weather", "parameters": {"type": "object"}}}]"#;
//! let options = Options { target: Some(Target::OpenaiChat) };
//!
//! let report = lint(tools, options);
//! assert!(report.has_errors());
//! let worst = report.findings.iter().find(|finding| finding.severity == Severity::Error).expect("it has errors");
//! assert_eq!((worst.rule.code, worst.pointer.as_str()), ("SW101", "/0/function/name"));
//! println!("{}: {}", worst.pointer, worst.message);
//!
//! // What a machine can mend, mended; all else as it is, byte for byte.
//! let mended = fixed(tools, options).expect("there is something to mend");
//! assert!(lint(&mended, options).findings.len() < report.findings.len());
//! ```
//!
//! It needs no client and sends nothing. Every rule says what the provider answers and where that is known from: [`Rule`].

#[doc(inline)]
pub use seawall_core::request::lint::{
    Edit, FINDINGS_MAX, Finding, Fix, Kind, NAME_BYTES_MAX, Options, Report, Rule, Severity, Target, fixed, lint, rule,
};
