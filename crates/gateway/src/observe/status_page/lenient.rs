//! JSON of somebody else's making: what is missing, null or of another type is not there, and does not
//! take the rest with it. Of a list only its beginning is kept, however long it is.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A value, if it is one.
#[derive(Debug)]
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Maybe(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?;
        Ok(Maybe(serde_json::from_str(raw.get()).ok()))
    }
}

/// The values at the beginning of a list, at most `MAX`; what is none is left out, and counts.
#[derive(Debug)]
pub(super) struct Few<T, const MAX: usize>(pub(super) Vec<T>);

impl<'de, T: DeserializeOwned, const MAX: usize> Deserialize<'de> for Few<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: DeserializeOwned, const MAX: usize> Visitor<'de> for FewVisitor<T, MAX> {
    type Value = Few<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        for _ in 0..MAX {
            let Some(Maybe(item)) = list.next_element()? else { return Ok(Few(kept)) };
            kept.extend(item);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Few(kept))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Sample {
        word: Maybe<String>,
        list: Maybe<Few<u8, 3>>,
    }

    fn sample(json: &str) -> (Option<String>, Option<Vec<u8>>) {
        let sample: Sample = serde_json::from_str(json).unwrap();
        (sample.word.0, sample.list.0.map(|list| list.0))
    }

    #[test]
    fn what_is_not_as_expected_is_not_there_and_the_rest_is() {
        let word = || Some("a".to_owned());
        assert_eq!(sample("{}"), (None, None));
        assert_eq!(sample(r#"{"word":null,"list":{}}"#), (None, None));
        assert_eq!(sample(r#"{"word":"a","list":null,"more":[{}]}"#), (word(), None));
        assert_eq!(sample(r#"{"word":7,"list":[1]}"#), (None, Some(vec![1])));
        assert_eq!(sample(r#"{"word":"\ud800","list":[]}"#), (None, Some(vec![])));
    }

    #[test]
    fn of_a_list_the_beginning_is_kept() {
        assert_eq!(sample(r#"{"list":[1,2,3]}"#).1, Some(vec![1, 2, 3]));
        assert_eq!(sample(r#"{"list":[1,2,3,4,[5]]}"#).1, Some(vec![1, 2, 3]));
        assert_eq!(sample(r#"{"list":[1,"x",3,4]}"#).1, Some(vec![1, 3]));
    }
}
