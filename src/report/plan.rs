//! What a run would do: the text of `rescind plan`.

use jiff::tz::TimeZone;

use super::forecast::{forecast, misfit};
use super::text::TextPage;
use super::{RowFigures, Style};
use crate::journal::Breach;
use crate::list::ListWarning;
use crate::report::approvals::breach;
use crate::report::format::{column, count, ids, number, place, visible};
use crate::report::preflight::{Offer, Preflight};
use crate::sweep::{Estimate, Verify, Workload};

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
    pub rows: RowFigures,
    /// The first few rows that hold no valid ID.
    pub invalid: &'a [PlannedReject],
    /// What is odd about the others.
    pub oddities: &'a [ListWarning],
    /// What a run would do with the distinct IDs.
    pub workload: Workload,
    /// How long that would take; `None` where there is no limit.
    pub estimate: Option<Estimate>,
    /// The zone of times for people.
    pub zone: TimeZone,
    /// How many percent of the rows may be invalid.
    pub max_invalid_percent: f64,
    /// What guards that are set would find against the list.
    pub breaches: &'a [Breach],
    /// What else there is to say about them: those that found nothing.
    pub guards: &'a [String],
    /// What reading the IDs has shown, if they were read.
    pub survey: Option<&'a Preflight>,
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
        self.workload.batches()
    }

    /// The reads if all goes well.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.workload.reads()
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
        let mut page = TextPage::new(style);
        let rows = self.rows;
        let input = match self.input {
            "-" => "standard input".into(),
            path => visible(path),
        };
        let place = place(self.environment, &visible(self.base_url));
        let sent = match self.survey {
            Some(_) => "IDs were read, nothing was revoked",
            None => "nothing was sent",
        };
        page.wrapped("", "", &format!("PLAN {place}: {sent}."));
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
        for odd in self.oddities {
            page.wrapped("         ", "           ", &format!("note: {odd}"));
        }
        page.wrapped(
            "Batches  ",
            "         ",
            &format!(
                "{} of up to {}",
                number(self.batches()),
                ids(self.workload.batch_size)
            ),
        );
        page.wrapped("Calls    ", "         ", &self.calls());
        page.wrapped("Time     ", "         ", &self.time());
        if let Some(misfit) = self.estimate.as_ref().and_then(misfit) {
            page.wrapped("         ", "           ", &format!("WARNING: {misfit}"));
        }
        let breaches = self
            .breaches
            .iter()
            .map(|found| format!("HELD by {}", breach(found)));
        let mut label = "Guards   ";
        for line in breaches.chain(self.guards.iter().map(|line| visible(line).into_owned())) {
            page.wrapped(label, "           ", &line);
            label = "         ";
        }
        let Some(survey) = self.survey else {
            page.line("");
            page.wrapped("", "", &self.verdict());
            return page.text;
        };
        survey.lay(&mut page, self.environment, self.base_url);
        page.line("");
        let offer = Offer {
            invalid: rows.invalid,
            read_first: self.workload.read_first,
        };
        for line in survey.verdict(self.environment, self.base_url, &offer) {
            page.wrapped("", "", &line);
        }
        page.text
    }

    fn calls(&self) -> String {
        let how = match self.workload.verify {
            Verify::All => "every ID is read back",
            Verify::Doubtful => "the first batch and what is in doubt are read back",
            Verify::Off => "nothing is read back",
        };
        let first = if self.workload.read_first {
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

    fn time(&self) -> String {
        match &self.estimate {
            Some(estimate) => format!(
                "{}; retries, and the waits that the API may ask for, come on top",
                forecast(estimate, &self.zone)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sweep::{Deadline, EstimateInput, Quota, TimeLimits, estimate};

    fn plan(invalid: &[PlannedReject]) -> Plan<'_> {
        Plan {
            input: "samples/permissions.csv",
            column: "permissionId",
            environment: "live",
            base_url: "https://live.tradovateapi.com/v1",
            rows: RowFigures {
                total: 4096,
                distinct: 4020,
                duplicate: 51,
                invalid: 25,
            },
            invalid,
            oddities: &[],
            workload: Workload {
                ids: 4020,
                batch_size: 100,
                read_size: 100,
                verify: Verify::All,
                read_first: false,
            },
            estimate: estimate(
                83,
                &EstimateInput {
                    now: "2026-11-24T02:00:00Z".parse().unwrap(),
                    rate: &[Quota {
                        count: 4_000,
                        window: Duration::from_hours(1),
                    }],
                    used: &[],
                    hold: Duration::ZERO,
                    timetable: &TimeLimits::default(),
                    takes: Duration::from_mins(1),
                },
            ),
            zone: TimeZone::UTC,
            max_invalid_percent: 5.0,
            breaches: &[],
            guards: &[],
            survey: None,
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
Time     about 1 min 14 s at 4,000 calls an hour: until Tue 02:01 UTC; retries, and the waits that
         the API may ask for, come on top

A run would leave out 25 invalid rows and so end with exit code 3 at best.
"
        );
    }

    #[test]
    fn a_plan_tells_of_ids_that_are_odd() {
        let odd = [ListWarning {
            ids: 1,
            digits: 6,
            most: 10,
            lines: vec![31],
        }];
        let odd = Plan {
            oddities: &odd,
            ..plan(&[])
        };
        let text = odd.text(Style::PLAIN);
        let note = "\n         note: 1 ID has 6 digits where most have 10: line 31\n";
        assert!(text.contains(note), "{text}");
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
        let rows = |total, distinct, invalid| RowFigures {
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
            estimate: None,
            ..plan(&[])
        };
        assert!(
            unlimited
                .text(Style::PLAIN)
                .contains("as fast as the API answers")
        );
    }

    #[test]
    fn a_plan_warns_of_what_does_not_fit_the_time_allowed() {
        let planned = plan(&[]);
        let late = Estimate {
            in_time: 41,
            deadline: Some(Deadline {
                at: "2026-11-24T02:01:30Z".parse().unwrap(),
                setting: "--finish-by 02:01".to_owned(),
            }),
            ..planned.estimate.clone().unwrap()
        };
        let text = Plan {
            estimate: Some(late),
            ..planned
        };
        let text = text.text(Style::PLAIN);
        assert!(
            text.contains("WARNING: it does not fit --finish-by 02:01"),
            "{text}"
        );
    }
}
