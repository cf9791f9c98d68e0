//! A map that cannot grow: what was not used for longest makes room.
//!
//! Names of models and forms of requests come from callers, so whatever is kept for each of them
//! needs a bound that no caller can move. Using an entry is one look-up and allocates nothing. Making
//! room looks at every entry: at most [`CAP_MAX`] comparisons, a few microseconds, and only when a
//! newcomer finds the map full.
//!
//! The order of its entries never depends on the hasher: the same calls, the same order.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// The most entries that any such map can have.
pub const CAP_MAX: usize = 4_096;

/// A map of the `cap` entries used last.
#[derive(Debug, Clone)]
pub struct Recent<K, V> {
    cap: usize,
    /// Counts the uses: the largest is the latest.
    uses: u64,
    /// Where in `entries` a key is.
    places: HashMap<K, usize>,
    entries: Vec<Entry<K, V>>,
}

#[derive(Debug, Clone)]
struct Entry<K, V> {
    used: u64,
    key: K,
    value: V,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    /// An empty map for `cap` entries, at least 1 and at most [`CAP_MAX`].
    #[must_use]
    pub fn new(cap: usize) -> Recent<K, V> {
        Recent { cap: cap.clamp(1, CAP_MAX), uses: 0, places: HashMap::new(), entries: Vec::new() }
    }

    /// The value of `key`, which is used by this.
    pub fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let place = *self.places.get(key)?;
        Some(self.touch(place))
    }

    /// The value of `key`, which is not used by this.
    #[must_use]
    pub fn peek<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.places.get(key).map(|&place| &self.entries[place].value)
    }

    /// The value of `key`, made by `make` if there is none; the key is used by this. A newcomer to
    /// a full map takes the place of the entry that was not used for longest.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if let Some(&place) = self.places.get(&key) {
            return self.touch(place);
        }
        let entry = Entry { used: 0, key: key.clone(), value: make() };
        let place = if self.entries.len() < self.cap {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let longest = (0..self.entries.len()).min_by_key(|&place| self.entries[place].used);
            let place = longest.expect("a full map has at least one entry");
            self.places.remove(&self.entries[place].key);
            self.entries[place] = entry;
            place
        };
        self.places.insert(key, place);
        self.touch(place)
    }

    /// The same by a borrowed key, which is copied only if there is no entry: one look-up on a hit.
    pub fn get_or_make<Q>(&mut self, key: &Q, make: impl FnOnce() -> V) -> &mut V
    where
        K: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Eq + Hash + ?Sized,
    {
        match self.places.get(key).copied() {
            Some(place) => self.touch(place),
            None => self.get_or_insert_with(K::from(key), make),
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every entry, none of them used by this: in the order in which they came, where a newcomer to
    /// a full map stands in the place of the entry it replaced.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    fn touch(&mut self, place: usize) -> &mut V {
        self.uses += 1;
        let entry = &mut self.entries[place];
        entry.used = self.uses;
        &mut entry.value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(map: &Recent<u32, u32>) -> Vec<u32> {
        map.iter().map(|(&key, _)| key).collect()
    }

    #[test]
    fn a_full_map_forgets_what_was_not_used_for_longest() {
        let mut map = Recent::new(CAP_MAX);
        let cap = u32::try_from(CAP_MAX).unwrap();
        for key in 0..cap {
            map.get_or_insert_with(key, || key);
        }
        assert_eq!(map.len(), CAP_MAX);
        assert_eq!(map.get(&0), Some(&mut 0));
        assert_eq!(map.peek(&1), Some(&1));
        map.get_or_insert_with(cap, || cap);
        assert_eq!(map.len(), CAP_MAX);
        assert_eq!((map.peek(&0), map.peek(&1), map.peek(&cap)), (Some(&0), None, Some(&cap)));
    }

    #[test]
    fn a_map_has_room_for_one_entry_at_least_and_for_the_bound_at_most() {
        for (asked, given) in [(0, 1), (1, 1), (usize::MAX, CAP_MAX)] {
            let mut map = Recent::new(asked);
            for key in 0..5_000 {
                map.get_or_insert_with(key, || key);
            }
            assert_eq!((map.len(), map.is_empty()), (given, false));
        }
    }

    #[test]
    fn a_newcomer_stands_where_the_forgotten_one_stood() {
        let mut map = Recent::new(3);
        for key in [1, 2, 3] {
            map.get_or_insert_with(key, || key);
        }
        map.get(&1);
        map.get_or_insert_with(4, || 4);
        assert_eq!(keys(&map), [1, 4, 3]);
    }

    #[test]
    fn a_key_is_found_by_what_it_borrows() {
        let mut map: Recent<Box<str>, u32> = Recent::new(2);
        map.get_or_insert_with("gpt-4o".into(), || 7);
        assert_eq!(map.get("gpt-4o"), Some(&mut 7));
        assert_eq!((map.peek("gpt-4o"), map.peek("o3")), (Some(&7), None));
    }

    proptest! {
        #[test]
        fn it_is_a_list_sorted_by_use_and_cut_at_the_cap(
            cap in 1_usize..9,
            uses in prop::collection::vec((0_u32..16, any::<bool>()), 1..200),
        ) {
            let mut map = Recent::new(cap);
            // The latest use first.
            let mut list: Vec<u32> = Vec::new();
            for (key, is_insert) in uses {
                let known = list.contains(&key);
                if is_insert {
                    prop_assert_eq!(*map.get_or_insert_with(key, || key), key);
                } else {
                    prop_assert_eq!(map.get(&key).copied(), known.then_some(key));
                }
                if known || is_insert {
                    list.retain(|&other| other != key);
                    list.insert(0, key);
                    list.truncate(cap);
                }
                let mut found = keys(&map);
                found.sort_unstable();
                let mut listed = list.clone();
                listed.sort_unstable();
                prop_assert_eq!(found, listed);
            }
        }
    }
}
