//! A table of prices: the user's own, for prices change and differ by contract.
//!
//! TOML or JSON with the same keys: `currency`, and `[[price]]` with `model` (a name, or a pattern with
//! `*`), `input`, `output` and `cached` for a million tokens. The first row that fits a model counts.
//! A price is a decimal with at most six places, read as the text that it was written as; everything
//! after that is whole numbers.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use seawall_core::upstream::Upstream;
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;

/// A larger file is no table of prices.
const BYTES_MAX: u64 = 1024 * 1024;
/// The most rows of a table.
pub(crate) const ROWS_MAX: usize = 1_000;
/// The highest price for a million tokens, in whole units.
pub(crate) const PRICE_MAX: u64 = 1_000_000;
/// Decimal places of a price.
const PLACES: usize = 6;
/// The longest name of a currency, in bytes.
const CURRENCY_BYTES_MAX: usize = 8;

/// An amount of money, and what it leaves out. Priced tokens cost whole picos (10⁻¹²) of a unit each:
/// a millionth of a price with six places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Money {
    /// `None` where nothing has a price.
    pico: Option<u128>,
    /// Tokens that no price fits.
    unpriced: u64,
}

impl Money {
    pub(crate) fn unpriced(tokens: u64) -> Money {
        Money { pico: None, unpriced: tokens }
    }

    pub(crate) fn add(&mut self, other: &Money) {
        self.pico = match (self.pico, other.pico) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
    }

    pub(crate) fn and(mut self, other: &Money) -> Money {
        self.add(other);
        self
    }

    /// Whether some tokens are not in it.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.unpriced > 0
    }

    /// All of its places that are not zero, two at least.
    pub(crate) fn exact(&self) -> Option<String> {
        let pico = self.pico?;
        let text = format!("{}.{:012}", pico / PICO, pico % PICO);
        let places = text.trim_end_matches('0').len().max(text.len() - 10);
        Some(text[..places].to_owned())
    }

    /// Rounded to a hundredth of a cent, half up.
    pub(crate) fn rounded(&self) -> Option<String> {
        let parts = self.pico?.saturating_add(PICO / 20_000) / (PICO / 10_000);
        Some(format!("{}.{:04}", parts / 10_000, parts % 10_000))
    }
}

/// Picos of a unit.
const PICO: u128 = 1_000_000_000_000;

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told {
            /// Exact.
            cost: Option<String>,
            unpriced_tokens: u64,
        }
        Told { cost: self.exact(), unpriced_tokens: self.unpriced }.serialize(to)
    }
}

/// What a million tokens of a model cost, in millionths of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Price {
    pattern: String,
    input: u64,
    output: u64,
    cached: u64,
}

impl Price {
    /// What so many tokens cost, `cached` of the input from a cache.
    pub(crate) fn of(&self, input: u64, cached: u64, output: u64) -> Money {
        let cached = cached.min(input);
        let parts = [(input - cached, self.input), (cached, self.cached), (output, self.output)];
        let pico = parts.into_iter().map(|(tokens, price)| u128::from(tokens) * u128::from(price)).sum();
        Money { pico: Some(pico), unpriced: 0 }
    }
}

/// A table of prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prices {
    currency: String,
    rows: Vec<Price>,
}

impl Prices {
    /// Reads the table in `path`.
    pub(crate) fn read(path: &Path) -> Result<Prices, Wrong> {
        let wrong = |what: String| Wrong { path: path.to_owned(), place: None, what };
        let length = std::fs::metadata(path).map_err(|e| wrong(format!("cannot be read: {e}")))?.len();
        if length > BYTES_MAX {
            return Err(wrong(format!("has {length} bytes, limit {BYTES_MAX}")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
        let is_json = text.trim_start().starts_with('{');
        let table = if is_json { json(&text) } else { Table::of_toml(&text) };
        table.and_then(Prices::check).map_err(|(what, place)| {
            let place = place.map(|place| match place {
                Place::Span(span) => line_and_column(&text, span.start),
                Place::Line(line, column) => (line, column),
            });
            Wrong { path: path.to_owned(), place, what }
        })
    }

    /// The price for `model`; `None` if no row fits it.
    pub(crate) fn of(&self, model: &str) -> Option<&Price> {
        self.rows.iter().find(|price| {
            // Patterns mean here what they mean for upstreams.
            Upstream { models: vec![price.pattern.clone()], ..Upstream::default() }.serves(Some(model))
        })
    }

    /// What the money is called.
    pub(crate) fn currency(&self) -> &str {
        &self.currency
    }

    fn check(table: Table) -> Result<Prices, Trouble> {
        let Table { currency, rows } = table;
        if currency.is_empty() || currency.len() > CURRENCY_BYTES_MAX || !currency.chars().all(char::is_alphanumeric) {
            let what = format!("`currency` is a short word such as \"USD\", at most {CURRENCY_BYTES_MAX} letters");
            return Err((what, None));
        }
        match rows.len() {
            0 => return Err(("it has no [[price]]".to_owned(), None)),
            n if n > ROWS_MAX => return Err((format!("it has {n} prices, limit {ROWS_MAX}"), None)),
            _ => {}
        }
        Ok(Prices { currency, rows })
    }
}

/// Where in a file.
enum Place {
    Span(Range<usize>),
    Line(usize, usize),
}

type Trouble = (String, Option<Place>);

/// What is wrong with a table of prices, and where.
#[derive(Debug)]
pub(crate) struct Wrong {
    path: PathBuf,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
    what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the prices {}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

struct Table {
    currency: String,
    rows: Vec<Price>,
}

impl Table {
    fn of_toml(text: &str) -> Result<Table, Trouble> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            #[serde(default = "usd")]
            currency: String,
            #[serde(default)]
            price: Vec<Row>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Row {
            model: Spanned<String>,
            input: Spanned<toml::Value>,
            output: Spanned<toml::Value>,
            cached: Option<Spanned<toml::Value>>,
        }
        let written: Written = toml::from_str(text).map_err(|e| (e.message().to_owned(), e.span().map(Place::Span)))?;
        // The text of a number says exactly what was meant.
        let price = |name: &str, value: &Spanned<toml::Value>| {
            let said = value.get_ref().as_str().unwrap_or(&text[value.span()]);
            micros(said).map_err(|why| (format!("`{name}` {why}"), Some(Place::Span(value.span()))))
        };
        let rows = written.price.iter().map(|row| {
            let input = price("input", &row.input)?;
            let pattern = row.model.get_ref().clone();
            if pattern.is_empty() {
                return Err(("`model` is empty".to_owned(), Some(Place::Span(row.model.span()))));
            }
            let cached = row.cached.as_ref().map_or(Ok(input), |cached| price("cached", cached))?;
            Ok(Price { pattern, input, output: price("output", &row.output)?, cached })
        });
        Ok(Table { currency: written.currency.clone(), rows: rows.collect::<Result<_, _>>()? })
    }
}

/// The same keys as in TOML. A number is read as its shortest form, which is what was written.
fn json(text: &str) -> Result<Table, Trouble> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        #[serde(default = "usd")]
        currency: String,
        price: Vec<Row>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        model: String,
        input: serde_json::Value,
        output: serde_json::Value,
        cached: Option<serde_json::Value>,
    }
    let written: Written = serde_json::from_str(text).map_err(|e| {
        let what = e.to_string();
        let what = what.split(" at line ").next().unwrap_or_default().to_owned();
        (what, Some(Place::Line(e.line(), e.column())))
    })?;
    let rows = written.price.iter().enumerate().map(|(at, row)| {
        let price = |name: &str, value: &serde_json::Value| {
            let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            micros(&said).map_err(|why| (format!("`{name}` of price {} {why}", at + 1), None))
        };
        let input = price("input", &row.input)?;
        if row.model.is_empty() {
            return Err((format!("`model` of price {} is empty", at + 1), None));
        }
        let cached = row.cached.as_ref().map_or(Ok(input), |cached| price("cached", cached))?;
        Ok(Price { pattern: row.model.clone(), input, output: price("output", &row.output)?, cached })
    });
    Ok(Table { currency: written.currency, rows: rows.collect::<Result<_, _>>()? })
}

fn usd() -> String {
    "USD".to_owned()
}

/// A price as it is written, in millionths of a unit.
fn micros(said: &str) -> Result<u64, String> {
    let said = said.trim();
    let (whole, decimals) = said.split_once('.').unwrap_or((said, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) {
        return Err("must be a price such as 2.50, without sign or exponent".to_owned());
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > PLACES {
        return Err(format!("is finer than {PLACES} decimal places"));
    }
    match format!("{whole}{decimals:0<PLACES$}").parse() {
        Ok(micros) if micros <= PRICE_MAX * 1_000_000 => Ok(micros),
        _ => Err(format!("is above {PRICE_MAX}")),
    }
}

/// From 1, in characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Prices, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prices");
        std::fs::write(&path, text).unwrap();
        Prices::read(&path).map_err(|wrong| {
            let said = wrong.to_string();
            said.replace(&path.display().to_string(), "P")
        })
    }

    const TOML: &str = "currency = \"EUR\"\n[[price]]\nmodel = \"gpt-4o-mini*\"\ninput = 0.15\noutput = \"0.60\"\n\
                        [[price]]\nmodel = \"gpt-4o*\"\ninput = 2.5\ncached = 1.25\noutput = 10\n";

    #[test]
    fn toml_and_json_say_the_same() {
        let json = r#"{"currency":"EUR","price":[{"model":"gpt-4o-mini*","input":0.15,"output":0.6},
            {"model":"gpt-4o*","input":2.5,"cached":1.25,"output":10}]}"#;
        let prices = read(TOML).unwrap();
        assert_eq!(read(json).unwrap(), prices);
        assert_eq!(prices.currency(), "EUR");
        let of = |model| prices.of(model).map(|price| (price.input, price.cached, price.output));
        assert_eq!(of("gpt-4o-mini-2024"), Some((150_000, 150_000, 600_000)), "the first row that fits");
        assert_eq!(of("gpt-4o"), Some((2_500_000, 1_250_000, 10_000_000)));
        assert_eq!(of("o3"), None);
    }

    #[test]
    fn money_is_exact_in_whatever_order_it_is_added() {
        let prices = read(TOML).unwrap();
        let [mini, large] = ["gpt-4o-mini", "gpt-4o"].map(|model| prices.of(model).unwrap());
        // A tenth and two tenths are no floats.
        let (a, b) = (mini.of(1, 0, 0), large.of(1_000_003, 3, 7));
        assert_eq!(a.exact().as_deref(), Some("0.00000015"));
        assert_eq!(b.exact().as_deref(), Some("2.50007375"));
        assert_eq!(a.clone().and(&b), b.and(&a));
        let million = (0..1_000_000).fold(Money::default(), |sum, _| sum.and(&mini.of(1, 0, 0)));
        assert_eq!(million.exact().as_deref(), Some("0.15"));
        assert_eq!(million.rounded().as_deref(), Some("0.1500"));
        assert_eq!(mini.of(333, 0, 0).rounded().as_deref(), Some("0.0000"));
        assert_eq!(mini.of(334, 0, 0).rounded().as_deref(), Some("0.0001"), "half a hundredth of a cent goes up");
        assert_eq!(large.of(5, 9, 0).exact().as_deref(), Some("0.00000625"), "no more is cached than was read");
        assert_eq!(large.of(u64::MAX, 0, u64::MAX).and(&large.of(1, 0, 0)).unpriced, 0);
    }

    #[test]
    fn what_has_no_price_is_said_and_never_nothing() {
        let mut sum = Money::unpriced(10);
        assert_eq!((sum.exact(), sum.is_incomplete()), (None, true));
        sum.add(&read(TOML).unwrap().of("gpt-4o").unwrap().of(0, 0, 1));
        assert_eq!((sum.exact().as_deref(), sum.unpriced), (Some("0.00001"), 10));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, said) in [
            (
                "[[price]]\nmodel = \"a\"\ninput = -1\noutput = 1\n",
                "the prices P:3:9: `input` must be a price such as 2.50, without sign or exponent",
            ),
            (
                "[[price]]\nmodel = \"a\"\ninput = 1\noutput = 1e3\n",
                "the prices P:4:10: `output` must be a price such as 2.50, without sign or exponent",
            ),
            (
                "[[price]]\nmodel = \"a\"\ninput = 0.0000001\noutput = 1\n",
                "the prices P:3:9: `input` is finer than 6 decimal places",
            ),
            (
                "[[price]]\nmodel = \"a\"\ninput = 1000000.01\noutput = 1\n",
                "the prices P:3:9: `input` is above 1000000",
            ),
            ("[[price]]\nmodel = \"\"\ninput = 1\noutput = 1\n", "the prices P:2:9: `model` is empty"),
            ("", "the prices P: it has no [[price]]"),
            ("currency = \"<b>\"\n", "the prices P: `currency` is a short word such as \"USD\", at most 8 letters"),
            (
                r#"{"price":[{"model":"a","input":true,"output":1}]}"#,
                "the prices P: `input` of price 1 must be a price such as 2.50, without sign or exponent",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), said, "{text}");
        }
        for text in ["[[price]]\nmodel = \"a\"\nprompt = 1\n", "[[price]\n", "{\"price\":7}", "{"] {
            let said = read(text).unwrap_err();
            assert!(said.starts_with("the prices P:"), "{said}");
            assert!(said.chars().filter(|c| *c == ':').count() >= 3, "{text}: a line and a column: {said}");
        }
        assert!(read("[[price]]\nmodel = \"a\"\ninput = 1000000\noutput = 0\n").is_ok(), "the highest price is one");
    }

    #[test]
    fn the_number_of_rows_is_bounded() {
        let row = "[[price]]\nmodel = \"a\"\ninput = 1\noutput = 1\n";
        assert!(read(&row.repeat(ROWS_MAX)).is_ok());
        assert!(read(&row.repeat(ROWS_MAX + 1)).unwrap_err().contains("limit 1000"));
    }
}
