//! What a schema is for, and how the provider speaks of it.

use super::tree::Value;
use super::wording::shown;

/// Where a schema stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// It is what a tool takes.
    Function,
    /// It is what the answer is to look like.
    Format,
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'t> {
    pub(super) root: Value<'t>,
    pub(super) home: Home,
    /// The name of the tool or format, for the provider's words.
    pub(super) name: &'t str,
    pub(super) is_strict: bool,
    /// Whether the tool is in a form that somebody puts into another first, as agents do with MCP's.
    pub(super) is_foreign: bool,
}

impl Setting<'_> {
    /// What the provider says of the schema as a whole.
    pub(super) fn reply(&self, rest: &str) -> String {
        let what = match self.home {
            Home::Function => "function",
            Home::Format => "response_format",
        };
        format!("Invalid schema for {what} '{}': {rest}", shown(self.name))
    }

    /// What the provider says of a part of it: `In context=('properties', 'x'), …`.
    pub(super) fn reply_at(&self, part: Value<'_>, rest: &str) -> String {
        self.reply(&format!("In context={}, {rest}", context(self.root, part)))
    }
}

/// Where in a schema one of its parts stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) is_root: bool,
    /// Objects that it is in.
    pub(super) objects: usize,
    /// Objects and arrays that it is in.
    pub(super) levels: usize,
    /// Whether providers are known to look here as they do at properties.
    pub(super) is_certain: bool,
}

impl Spot {
    pub(super) const ROOT: Spot = Spot { is_root: true, objects: 0, levels: 0, is_certain: true };

    /// A part of it where providers may look less closely.
    pub(super) fn aside(self) -> Spot {
        Spot { is_root: false, is_certain: false, ..self }
    }
}

/// The way from `root` to `part`, as a tuple of Python.
fn context(root: Value<'_>, part: Value<'_>) -> String {
    let step = |value: &Value<'_>| {
        if value.is_member() { format!("'{}'", shown(&value.key())) } else { format!("'{}'", value.index()) }
    };
    let steps: Vec<_> = part.path_from(root.id()).iter().map(step).collect();
    match &steps[..] {
        [one] => format!("({one},)"),
        _ => format!("({})", steps.join(", ")),
    }
}

/// The way from `root` to `part`, as in `$.properties.x.pattern`.
pub(super) fn dollar_path(root: Value<'_>, part: Value<'_>) -> String {
    let mut path = "$".to_owned();
    for value in part.path_from(root.id()) {
        if value.is_member() {
            path.push('.');
            path.push_str(&shown(&value.key()));
        } else {
            path.push_str(&format!("[{}]", value.index()));
        }
    }
    path
}
