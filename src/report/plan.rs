//! What a run would do: the text of `rescind plan`.

use super::held::breach;
use super::phrase::{column, count, duration, ids, number, place, visible};
use super::text::Page;
use super::{Rows, Style};
use crate::journal::Breach;
use crate::sweep::Verify;

/// A run that could be. Plain numbers: a plan has no journal.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The file, or `-` for standard input.
    pub input: &'a str,
    /// The column the IDs are taken from.
    pub column: &'a str,
    /// The environment's name.
    pub environment: &'a str,
    /// The base URL that calls would go to; may be empty for the sandbox.
    pub base_url: &'a str,
    /// The rows of the list.
    pub rows: Rows,
    /// The first few rows that hold no valid ID.
    pub invalid: &'a [PlannedReject],
    /// IDs a batch; at least 1.
    pub batch_size: u64,
    /// IDs a read; at least 1.
    pub read_size: u64,
    /// What is read back.
    pub verify: Verify,
    /// Whether each batch is read before it is sent.
    pub read_first: bool,
    /// Calls a second in the long run; `None` where there is no limit.
    pub rate: Option<f64>,
    /// How many percent of the rows may be invalid.
    pub max_invalid_percent: f64,
    /// What guards that are set would find against the list.
    pub breaches: &'a [Breach],
    /// What else there is to say about them: those that found nothing.
    pub guards: &'a [String],
}

/// A row that would be left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedReject {
    /// Where the row starts.
    pub line: u64,
    /// What stands there.
    pub value: String,
    /// `invalid: …`.
    pub reason: String,
}

impl Plan<'_> {
    /// The batches that the list would be cut into: one POST each.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.rows.distinct.div_ceil(self.batch_size.max(1))
    }

    /// The reads if all goes well. The first batch is read before it is
    /// sent, where one ID that is known is enough, and by itself after; a
    /// read takes as many whole batches as fit, or a batch takes several.
    /// With `read_first` every batch is read before it is sent, each by itself.
    #[must_use]
    pub fn reads(&self) -> u64 {
        let (batch, read) = (self.batch_size.max(1), self.read_size.max(1));
        if self.verify == Verify::Off || self.rows.distinct == 0 {
            return 0;
        }
        let whole = (self.rows.distinct / batch) * batch.div_ceil(read)
            + (self.rows.distinct % batch).div_ceil(read);
        let before = if self.read_first { whole } else { 1 };
        let first = batch.min(self.rows.distinct);
        let after_first = first.div_ceil(read);
        let others = self.rows.distinct - first;
        let after = match self.verify {
            Verify::All if batch <= read => others.div_ceil(batch).div_ceil(read / batch),
            Verify::All => {
                (others / batch) * batch.div_ceil(read) + (others % batch).div_ceil(read)
            }
            Verify::Doubtful | Verify::Off => 0,
        };
        before + after_first + after
    }

    /// Whether so many rows are invalid that a run would refuse the list.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "percents of rows")]
    pub fn is_refused(&self) -> bool {
        self.rows.invalid as f64 * 100.0 > self.max_invalid_percent * self.rows.total as f64
    }

    /// The plan for a terminal.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let mut page = Page::new(style);
        let rows = self.rows;
        let input = match self.input {
            "-" => "standard input".into(),
            path => visible(path),
        };
        let place = place(self.environment, &visible(self.base_url));
        page.wrapped("", "", &format!("PLAN {place}: nothing was sent."));
        page.line("");
        page.wrapped(
            "List     ",
            "         ",
            &format!("{input}, {}", column(&visible(self.column))),
        );
        page.wrapped(
            "Rows     ",
            "         ",
            &format!(
                "{} = {} distinct + {} + {} invalid",
                count(rows.total, "row", "rows"),
                number(rows.distinct),
                count(rows.duplicate, "duplicate", "duplicates"),
                number(rows.invalid)
            ),
        );
        for reject in self.invalid {
            let value = visible(&reject.value);
            page.wrapped(
                "         ",
                "           ",
                &format!(
                    "line {}: {value:?} {}",
                    reject.line,
                    visible(&reject.reason)
                ),
            );
        }
        let left = rows.invalid.saturating_sub(self.invalid.len() as u64);
        if left > 0 && !self.invalid.is_empty() {
            page.line(&format!("         and {} more", number(left)));
        }
        page.wrapped(
            "Batches  ",
            "         ",
            &format!(
                "{} of up to {}",
                number(self.batches()),
                ids(self.batch_size)
            ),
        );
        page.wrapped("Calls    ", "         ", &self.calls());
        page.wrapped("Time     ", "         ", &self.time());
        let breaches = self
            .breaches
            .iter()
            .map(|found| format!("HELD by {}", breach(found)));
        let mut label = "Guards   ";
        for line in breaches.chain(self.guards.iter().map(|line| visible(line).into_owned())) {
            page.wrapped(label, "           ", &line);
            label = "         ";
        }
        page.line("");
        page.wrapped("", "", &self.verdict());
        page.text
    }

    fn calls(&self) -> String {
        let how = match self.verify {
            Verify::All => "every ID is read back",
            Verify::Doubtful => "the first batch and what is in doubt are read back",
            Verify::Off => "nothing is read back",
        };
        let first = if self.read_first {
            "every ID is read before it is sent, and "
        } else {
            ""
        };
        format!(
            "{} = {} + {}; {first}{how}",
            count(self.batches() + self.reads(), "call", "calls"),
            count(self.batches(), "revocation", "revocations"),
            count(self.reads(), "read", "reads"),
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn time(&self) -> String {
        let calls = (self.batches() + self.reads()) as f64;
        match self.rate.filter(|rate| *rate > 0.0) {
            Some(rate) => format!(
                "at least {} at {}; retries, and the waits that the API may ask for, come on top",
                duration(calls / rate),
                pace(rate)
            ),
            None => "as fast as the API answers: no rate is set".to_owned(),
        }
    }

    fn verdict(&self) -> String {
        if self.rows.total == 0 {
            "The list is empty: a run would end with exit code 4, or 0 with --allow-empty."
                .to_owned()
        } else if self.is_refused() {
            format!(
                "A run would refuse this list: more than {}% of its rows are invalid (--max-invalid). \
                 Is it the right file and column?",
                self.max_invalid_percent
            )
        } else if !self.breaches.is_empty() {
            "A run would be HELD: it would send nothing and end with exit code 7, until a person \
             releases it with the command that it shows."
                .to_owned()
        } else if self.rows.invalid > 0 {
            format!(
                "A run would leave out {} and so end with exit code 3 at best.",
                count(self.rows.invalid, "invalid row", "invalid rows")
            )
        } else {
            format!("A run would revoke {}.", ids(self.rows.distinct))
        }
    }
}

/// A rate in the first unit in which it is a whole number.
fn pace(per_second: f64) -> String {
    let units = [(1.0, "a second"), (60.0, "a minute"), (3600.0, "an hour")];
    let whole = units
        .into_iter()
        .map(|(seconds, unit)| (per_second * seconds, unit))
        .find(|(calls, _)| *calls > 0.5 && (calls - calls.round()).abs() < 1e-6);
    let (calls, unit) = whole.unwrap_or((per_second * 3600.0, "an hour"));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and saturates"
    )]
    let calls = calls.round() as u64;
    format!("{} {unit}", count(calls, "call", "calls"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(invalid: &[PlannedReject]) -> Plan<'_> {
        Plan {
            input: "samples/permissions.csv",
            column: "permissionId",
            environment: "live",
            base_url: "https://live.tradovateapi.com/v1",
            rows: Rows {
                total: 4096,
                distinct: 4020,
                duplicate: 51,
                invalid: 25,
            },
            invalid,
            batch_size: 100,
            read_size: 100,
            verify: Verify::All,
            read_first: false,
            rate: Some(4000.0 / 3600.0),
            max_invalid_percent: 5.0,
            breaches: &[],
            guards: &[],
        }
    }

    #[test]
    fn a_plan_says_what_a_run_would_do() {
        let invalid = [PlannedReject {
            line: 3,
            value: "1.02E+09\u{1b}[31m".to_owned(),
            reason: "invalid: scientific notation".to_owned(),
        }];
        assert_eq!(
            plan(&invalid).text(Style::PLAIN),
            "\
PLAN on LIVE: nothing was sent.

List     samples/permissions.csv, column permissionId
Rows     4,096 rows = 4,020 distinct + 51 duplicates + 25 invalid
         line 3: \"1.02E+09\u{FFFD}[31m\" invalid: scientific notation
         and 24 more
Batches  41 of up to 100 IDs
Calls    83 calls = 41 revocations + 42 reads; every ID is read back
Time     at least 1m 15s at 4,000 calls an hour; retries, and the waits that the API may ask for,
         come on top

A run would leave out 25 invalid rows and so end with exit code 3 at best.
"
        );
    }

    #[test]
    fn reads_are_counted_as_the_sweep_makes_them() {
        let planned = |distinct, batch_size, read_size, verify, read_first| {
            let base = plan(&[]);
            let rows = Rows {
                distinct,
                ..base.rows
            };
            Plan {
                rows,
                batch_size,
                read_size,
                verify,
                read_first,
                ..base
            }
            .reads()
        };
        let reads = |distinct, batch, read, verify| planned(distinct, batch, read, verify, false);
        for (distinct, batch, read, verify, expected) in [
            (4020, 100, 100, Verify::All, 1 + 1 + 40),
            // Two whole batches fit into a read of 250.
            (1000, 100, 250, Verify::All, 1 + 1 + 5),
            // A batch of 100 takes three reads of 40; the last one, of 20, one.
            (220, 100, 40, Verify::All, 1 + 3 + 3 + 1),
            (4020, 100, 100, Verify::Doubtful, 1 + 1),
            (30, 100, 10, Verify::Doubtful, 1 + 3),
            (4020, 100, 100, Verify::Off, 0),
            (0, 100, 100, Verify::All, 0),
        ] {
            assert_eq!(
                reads(distinct, batch, read, verify),
                expected,
                "{distinct} {batch} {read} {verify:?}"
            );
        }
        for (distinct, batch, read, verify, expected) in [
            (4020, 100, 100, Verify::All, 41 + 1 + 40),
            (4020, 100, 100, Verify::Doubtful, 41 + 1),
            (220, 100, 40, Verify::Doubtful, 3 + 3 + 1 + 3),
            (0, 100, 100, Verify::All, 0),
        ] {
            let reads = planned(distinct, batch, read, verify, true);
            assert_eq!(reads, expected, "{distinct} {batch} {read} {verify:?}");
        }
    }

    #[test]
    fn the_verdict_names_what_a_run_would_come_to() {
        let verdict = |rows, max_invalid_percent| {
            Plan {
                rows,
                max_invalid_percent,
                ..plan(&[])
            }
            .verdict()
        };
        let rows = |total, distinct, invalid| Rows {
            total,
            distinct,
            duplicate: 0,
            invalid,
        };
        assert!(verdict(rows(0, 0, 0), 5.0).contains("exit code 4"));
        assert!(verdict(rows(100, 94, 6), 5.0).contains("refuse"));
        assert!(verdict(rows(100, 95, 5), 5.0).contains("leave out 5 invalid rows"));
        assert_eq!(verdict(rows(1, 1, 0), 0.0), "A run would revoke 1 ID.");
    }

    #[test]
    fn without_a_rate_no_time_is_promised() {
        let unlimited = Plan {
            rate: None,
            ..plan(&[])
        };
        assert!(
            unlimited
                .text(Style::PLAIN)
                .contains("as fast as the API answers")
        );
        for (rate, expected) in [
            (200.0, "200 calls a second"),
            (80.0 / 60.0, "80 calls a minute"),
            (4000.0 / 3600.0, "4,000 calls an hour"),
            (1.0 / 3600.0, "1 call an hour"),
        ] {
            assert_eq!(pace(rate), expected);
        }
    }
}
