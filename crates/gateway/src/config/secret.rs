//! A credential in memory: a key of an upstream, a token of a client.
//!
//! It cannot be printed: there is no `Debug`, no `Display` and no `Serialize`, so a leak by
//! carelessness does not compile. It is wiped when dropped, compared in constant time, and it
//! remembers where it came from, which is what a person wants to see instead.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A credential, and where it came from.
#[derive(Clone)]
pub(crate) struct Secret {
    value: Zeroizing<String>,
    origin: String,
}

impl Secret {
    /// Keeps `value`; `origin` is for people: `env OPENAI_API_KEY`, `file /run/key`, `config file`.
    pub(crate) fn new(value: Zeroizing<String>, origin: String) -> Secret {
        Secret { value, origin }
    }

    /// The credential itself: for the one header that carries it.
    pub(crate) fn expose(&self) -> &str {
        &self.value
    }

    /// Where it came from.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether `given` is this credential. The time taken depends on its length only.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        self.value.as_bytes().ct_eq(given).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_equal_to_itself_only() {
        let secret = Secret::new(Zeroizing::new("0123456789abcdef".into()), "config file".into());
        assert!(secret.is(b"0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdeg", "0123456789abcdef0"] {
            assert!(!secret.is(other.as_bytes()), "{other}");
        }
    }
}
