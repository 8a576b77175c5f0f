//! The nights in a row, for a terminal.

use super::history::{History, Restriction};
use super::listing::outcome;
use super::text::TextPage;
use super::{Style, WaitTotals};
use crate::journal::State;
use crate::report::format::{count, duration, moment, number};
use crate::report::text_table::{Cell, Column, Grid};
use crate::report::tone::Tone;

/// A narrow terminal goes without the causes of waits first, then without
/// what a run's name tells, and without the environment last.
fn columns() -> Vec<Column> {
    let mut columns = vec![
        Column::left("STARTED").spare(2),
        Column::left("RUN"),
        Column::left("ENVIRONMENT").spare(4),
        Column::left("OUTCOME"),
        Column::right("IDS"),
        Column::right("NOT REVOKED"),
        Column::right("AT WORK"),
    ];
    columns.extend(WaitTotals::default().by_cause().into_iter().map(|wait| {
        let spare = if wait.lost { 1 } else { 3 };
        Column::right(wait.heading).spare(spare)
    }));
    columns
}

impl History {
    /// For a terminal.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let mut page = TextPage::new(style);
        let tone = if self.remarkable() > 0 {
            Tone::Wary
        } else {
            Tone::Good
        };
        page.toned(&self.headline(), tone);
        if !self.nights.is_empty() {
            page.line("");
            self.grid().lay(&mut page, 0);
        }
        if !self.unreadable.is_empty() {
            page.heading("Cannot be read");
            for unreadable in &self.unreadable {
                let said = format!("{}: {}", unreadable.run, unreadable.error);
                page.wrapped("  ", "    ", &said);
            }
        }
        page.text
    }

    /// How many nights there are, what they came to, and how many need a
    /// look.
    pub(super) fn headline(&self) -> String {
        let place = self.restriction.words();
        if self.nights.is_empty() {
            return format!("There are no runs{place}.");
        }
        let (revoked, all) = self.sums();
        // An ID that was in several of them counts in each.
        let together = if self.nights.len() > 1 {
            " in all runs together"
        } else {
            ""
        };
        let looks = match self.remarkable() as u64 {
            0 => "none needs a look".to_owned(),
            1 => "1 needs a look".to_owned(),
            n => format!("{} need a look", number(n)),
        };
        format!(
            "{}{place}: {} of {} revoked{together}; {looks}.",
            count(self.nights.len() as u64, "run", "runs"),
            number(revoked),
            count(all, "ID", "IDs"),
        )
    }

    fn grid(&self) -> Grid {
        let mut grid = Grid::new(&columns());
        for night in &self.nights {
            let standing = &night.standing;
            let span = |seconds: f64| -> Cell {
                if seconds > 0.0 {
                    duration(seconds).into()
                } else {
                    "-".into()
                }
            };
            let mut cells = vec![
                moment(standing.started).into(),
                night.run.clone().into(),
                standing.environment.clone().into(),
                outcome(&standing.outcome, standing.exit_code),
                number(standing.rows.distinct).into(),
                number(standing.ids.total() - standing.ids.of(State::Revoked)).into(),
                standing.worked.map_or_else(|| "-".into(), span),
            ];
            let waits = standing.waited.by_cause().into_iter();
            cells.extend(waits.map(|wait| span(wait.seconds)));
            grid.row(cells);
            for remark in &night.remarks {
                grid.remark(remark.words.clone(), remark.tone);
                if let Some(command) = &remark.command {
                    grid.command(command.clone());
                }
            }
        }
        grid
    }
}

impl Restriction {
    /// ` of demo at https://…`, or nothing.
    fn words(&self) -> String {
        match (&self.environment, &self.base_url) {
            (None, None) => String::new(),
            (Some(environment), None) => format!(" on {environment}"),
            (None, Some(url)) => format!(" at {url}"),
            (Some(environment), Some(url)) => format!(" on {environment} at {url}"),
        }
    }
}
