//! Model patterns among themselves: does one leave anything for another, can both fit one name.
//!
//! `*` stands for any run of characters, and nothing else is special. That makes both questions
//! exact, so that `config check` never guesses.

use seawall_core::upstream::Upstream;

/// Whether `name` fits one of `patterns`; no pattern at all means every name, as for an upstream.
pub(super) fn serves(patterns: &[String], name: &str) -> bool {
    // Asked of the core itself: what is checked is what will be done.
    Upstream { models: patterns.to_vec(), ..Upstream::default() }.serves(Some(name))
}

/// Whether every name that fits `narrow` fits `wide`.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    // A star of `narrow` is a character that only a star of `wide` can take.
    serves(&[wide.to_owned()], narrow)
}

/// Whether some name fits both.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    match (a.split_once('*'), b.split_once('*')) {
        (None, _) => covers(b, a),
        (_, None) => covers(a, b),
        (Some((a_start, a_rest)), Some((b_start, b_rest))) => {
            // With a star in each, what stands between the first and the last can always be put in a row.
            let end = |rest: &str| rest.rsplit('*').next().unwrap_or_default().to_owned();
            let (a_end, b_end) = (end(a_rest), end(b_rest));
            (a_start.starts_with(b_start) || b_start.starts_with(a_start))
                && (a_end.ends_with(&b_end) || b_end.ends_with(&a_end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_leaves_nothing_of() {
        for (wide, narrow, covered) in [
            ("*", "gpt-*", true),
            ("*", "*", true),
            ("gpt-*", "gpt-4o", true),
            ("gpt-*", "gpt-4o-*", true),
            ("gpt-*", "gpt-*", true),
            ("gpt-*-mini", "gpt-4*-mini", true),
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o-*", "gpt-*", false),
            ("gpt-4o", "gpt-*", false),
            ("gpt-*", "*", false),
            ("gpt-*-mini", "gpt-*", false),
        ] {
            assert_eq!(covers(wide, narrow), covered, "{wide} over {narrow}");
        }
    }

    #[test]
    fn two_patterns_overlap_if_one_name_fits_both() {
        for (a, b, both) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-*", true),
            ("gpt-4o", "o3", false),
            ("gpt-*", "*-mini", true),
            ("gpt-*", "claude-*", false),
            ("*-mini", "*-nano", false),
            ("*-mini", "gpt-4*ni", true),
            ("*a*", "*b*", true),
            ("a*", "*", true),
        ] {
            assert_eq!(overlap(a, b), both, "{a} and {b}");
            assert_eq!(overlap(b, a), both, "{b} and {a}");
        }
    }

    #[test]
    fn overlap_agrees_with_trying_every_short_name() {
        let letters = ['a', 'b', '*'];
        let words = |length: u32, letters: &[char]| -> Vec<String> {
            let all = letters.len();
            let word = |n: usize| (0..length).map(|at| letters[n / all.pow(at) % all]).collect();
            (0..all.pow(length)).map(word).collect()
        };
        let patterns: Vec<String> = (1..=3).flat_map(|length| words(length, &letters)).collect();
        // Both literal parts fit into twice their length.
        let names: Vec<String> = (0..=6).flat_map(|length| words(length, &letters[..2])).collect();
        let fits = |pattern: &String| -> Vec<bool> {
            names.iter().map(|name| serves(std::slice::from_ref(pattern), name)).collect()
        };
        let fitting: Vec<Vec<bool>> = patterns.iter().map(fits).collect();
        for (a, of_a) in patterns.iter().zip(&fitting) {
            for (b, of_b) in patterns.iter().zip(&fitting) {
                let both = of_a.iter().zip(of_b).any(|(a, b)| *a && *b);
                assert_eq!(overlap(a, b), both, "{a} and {b}");
                let all = of_a.iter().zip(of_b).all(|(wide, narrow)| *wide || !*narrow);
                // With two letters only, a longer name could tell them apart: covering implies it, never the reverse.
                assert!(!covers(a, b) || all, "{a} over {b}");
            }
        }
    }
}
