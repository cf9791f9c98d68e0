//! The bill's arithmetic: what belongs to which row, and how sure each sum is.
//!
//! All of it is whole numbers. Known and estimated tokens are never added to each other, and money is
//! counted in whole billionths of a thousandth, so that no order of adding changes a sum.

pub(crate) mod prices;

use std::collections::{BTreeMap, BTreeSet};

use seawall_core::verdict::usage::Counted;
use seawall_core::verdict::{Billed, Class};
use serde::Serialize;

use crate::observe::journal::costs::{Cost, Part};
use crate::observe::journal::minutes::Summed;
use prices::{Money, Prices};

/// What a row of the bill is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// The model asked for
    Model,
    /// What attempts ended in
    Class,
    /// Where they went
    Upstream,
}

impl By {
    /// The word on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            By::Model => "model",
            By::Class => "class",
            By::Upstream => "upstream",
        }
    }
}

/// Tokens of some attempts, and what they cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Amount {
    /// Attempts whose tokens the upstream counted.
    pub(crate) known: u64,
    /// Attempts whose tokens are estimated.
    pub(crate) estimated: u64,
    /// Attempts of whose tokens a part at least nobody knows.
    pub(crate) unknown: u64,
    /// Tokens read, counted.
    pub(crate) input_tokens: u64,
    /// Tokens generated, counted.
    pub(crate) output_tokens: u64,
    /// The part of `input_tokens` that came from a cache.
    pub(crate) cached_tokens: u64,
    /// Tokens read, estimated.
    pub(crate) input_estimated: u64,
    /// Tokens generated, estimated.
    pub(crate) output_estimated: u64,
    /// What they cost, as far as there is a price.
    #[serde(flatten)]
    pub(crate) money: Money,
}

impl Amount {
    /// All tokens, however sure.
    pub(crate) fn tokens(&self) -> u64 {
        [self.input_tokens, self.output_tokens, self.input_estimated, self.output_estimated]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    fn add(&mut self, other: &Amount) {
        self.known += other.known;
        self.estimated += other.estimated;
        self.unknown += other.unknown;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cached_tokens += other.cached_tokens;
        self.input_estimated += other.input_estimated;
        self.output_estimated += other.output_estimated;
        self.money.add(&other.money);
    }

    /// The same with what it costs for `model`, if there are prices at all.
    fn priced(mut self, model: &str, prices: Option<&Prices>) -> Amount {
        let Some(prices) = prices else { return self };
        if self.tokens() == 0 {
            // Nothing, or nobody knows how much: no price makes a sum of that.
            return self;
        }
        self.money = match prices.of(model) {
            Some(price) => {
                let counted = price.of(self.input_tokens, self.cached_tokens, self.output_tokens);
                counted.and(&price.of(self.input_estimated, 0, self.output_estimated))
            }
            None => Money::unpriced(self.tokens()),
        };
        self
    }
}

/// Attempts that brought no answer, by whether they are charged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Spent {
    /// All of them.
    pub(crate) attempts: u64,
    /// Those that cost nothing, for certain.
    pub(crate) free: u64,
    /// Those that may be charged.
    pub(crate) possible: Amount,
    /// Those that are.
    pub(crate) certain: Amount,
}

impl Spent {
    pub(crate) fn add(&mut self, other: &Spent) {
        self.attempts += other.attempts;
        self.free += other.free;
        self.possible.add(&other.possible);
        self.certain.add(&other.certain);
    }
}

/// One row of the bill, or its totals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Tally {
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Attempts that ended.
    pub(crate) attempts: u64,
    /// Requests whose first attempt failed.
    pub(crate) failed_first: u64,
    /// Requests that only another attempt saved.
    pub(crate) saved: u64,
    /// Requests that a hedge answered first.
    pub(crate) hedged: u64,
    /// Requests that got no answer.
    pub(crate) lost: u64,
    /// Requests whose answer broke after it had begun.
    pub(crate) cut: u64,
    /// Requests whose caller left before there was an answer.
    pub(crate) caller_left: u64,
    /// What was answered.
    pub(crate) answers: Amount,
    /// The part of it that belongs to saved requests. Known and estimated ones together as `input_tokens`
    /// and `output_tokens`; `estimated` says how many of them are not known for certain.
    pub(crate) saved_answers: Amount,
    /// First attempts that failed: without Seawall they would have cost the same.
    pub(crate) first_attempts: Spent,
    /// Later attempts that failed.
    pub(crate) retries: Spent,
    /// Attempts broken off because another was faster.
    pub(crate) hedges: Spent,
    /// Answers that broke after they had begun.
    pub(crate) cut_streams: Spent,
    /// What was under way when its caller left, at most: the input, estimated.
    pub(crate) callers_left: Amount,
}

impl Tally {
    /// Everything that brought no answer.
    pub(crate) fn spent(&self) -> Spent {
        let mut all = Spent::default();
        for part in [&self.first_attempts, &self.retries, &self.hedges, &self.cut_streams] {
            all.add(part);
        }
        all.possible.add(&self.callers_left);
        all
    }

    /// The share of what brought no answer in all tokens, in millionths; the most that it can be.
    pub(crate) fn share_ppm(&self) -> u64 {
        let spent = self.spent();
        let spent = u128::from(spent.possible.tokens()) + u128::from(spent.certain.tokens());
        let all = spent + u128::from(self.answers.tokens());
        u64::try_from((spent * 1_000_000).checked_div(all).unwrap_or(0)).unwrap_or(0)
    }

    fn part(&mut self, part: Part) -> &mut Spent {
        match part {
            Part::First => &mut self.first_attempts,
            Part::Retry => &mut self.retries,
            Part::Hedge => &mut self.hedges,
            Part::Cut => &mut self.cut_streams,
        }
    }
}

/// The finished bill.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bill {
    /// By key, in its order.
    pub(crate) rows: BTreeMap<String, Tally>,
    /// All of them together.
    pub(crate) total: Tally,
    /// Models with tokens and no price, where there are prices at all.
    pub(crate) unpriced: BTreeSet<String>,
}

impl Bill {
    /// Whether nothing is on record.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A bill in the making.
pub(crate) struct Account<'p> {
    by: By,
    prices: Option<&'p Prices>,
    bill: Bill,
}

impl<'p> Account<'p> {
    pub(crate) fn new(by: By, prices: Option<&'p Prices>) -> Account<'p> {
        Account { by, prices, bill: Bill::default() }
    }

    /// Adds what happened to whole requests.
    pub(crate) fn add_minutes(&mut self, summed: &Summed) {
        let Summed { upstream, model, sums } = summed;
        let answers = Amount {
            known: sums.known,
            estimated: sums.estimated,
            unknown: sums.unknown,
            input_tokens: sums.input_tokens,
            output_tokens: sums.output_tokens,
            cached_tokens: sums.cached_tokens,
            input_estimated: sums.input_estimated,
            output_estimated: sums.output_estimated,
            money: Money::default(),
        };
        let saved = Amount {
            known: sums.saved.saturating_sub(sums.saved_uncertain),
            estimated: sums.saved_uncertain,
            input_tokens: sums.saved_input,
            output_tokens: sums.saved_output,
            cached_tokens: sums.saved_cached,
            ..Amount::default()
        };
        let left = Amount { estimated: sums.caller_left, input_estimated: sums.left_input, ..Amount::default() };
        let [answers, saved, left] = [answers, saved, left].map(|amount| self.priced(amount, model));
        let answered = sums.known + sums.estimated + sums.unknown;
        let is_by_class = self.by == By::Class;
        let key = match self.by {
            By::Model => model.as_str(),
            By::Upstream => upstream.as_str(),
            By::Class => Class::Ok.name(),
        };
        let add = |tally: &mut Tally, is_row: bool| {
            // A class is of attempts: of what is counted in requests, a row of one says nothing.
            if !(is_row && is_by_class) {
                tally.requests += sums.requests;
                tally.failed_first += sums.failed_first;
                tally.saved += sums.saved;
                tally.hedged += sums.hedged;
                tally.lost += sums.lost;
                tally.cut += sums.cut;
                tally.caller_left += sums.caller_left;
                tally.callers_left.add(&left);
            }
            tally.attempts += answered;
            tally.answers.add(&answers);
            tally.saved_answers.add(&saved);
        };
        let is_of_row = !is_by_class || answered > 0;
        if is_of_row {
            add(self.bill.rows.entry(key.to_owned()).or_default(), true);
        }
        add(&mut self.bill.total, false);
        if is_by_class && sums.caller_left > 0 {
            self.bill.rows.entry(Class::Cancelled.name().to_owned()).or_default().callers_left.add(&left);
        }
    }

    /// Adds what attempts cost that brought no answer.
    pub(crate) fn add_cost(&mut self, cost: &Cost) {
        let Cost { upstream, model, class, part, billed, usage, attempts, input, output, cached } = cost;
        let attempts = *attempts;
        let amount = match usage.as_deref().and_then(Counted::from_name) {
            Some(Counted::Known) => Amount {
                known: attempts,
                input_tokens: *input,
                output_tokens: *output,
                cached_tokens: *cached,
                ..Amount::default()
            },
            Some(Counted::Estimated) => {
                Amount { estimated: attempts, input_estimated: *input, output_estimated: *output, ..Amount::default() }
            }
            // A part of it may be known.
            Some(Counted::Unknown) | None => {
                Amount { unknown: attempts, input_estimated: *input, output_estimated: *output, ..Amount::default() }
            }
        };
        let spent = match Billed::from_name(billed) {
            Some(Billed::No) => Spent { attempts, free: attempts, ..Spent::default() },
            Some(Billed::Yes) => Spent { attempts, certain: self.priced(amount, model), ..Spent::default() },
            // A word of a newer gateway: nobody can tell from here.
            Some(Billed::Possibly) | None => {
                Spent { attempts, possible: self.priced(amount, model), ..Spent::default() }
            }
        };
        let key = match self.by {
            By::Model => model,
            By::Upstream => upstream,
            By::Class => class,
        };
        for tally in [self.bill.rows.entry(key.clone()).or_default(), &mut self.bill.total] {
            tally.attempts += attempts;
            tally.part(*part).add(&spent);
        }
    }

    /// The bill of everything added.
    pub(crate) fn bill(self) -> Bill {
        self.bill
    }

    fn priced(&mut self, amount: Amount, model: &str) -> Amount {
        let amount = amount.priced(model, self.prices);
        if amount.money.is_incomplete() {
            self.bill.unpriced.insert(model.to_owned());
        }
        amount
    }
}
