//! The list of runs, for a terminal and for programs.

use serde::Serialize;

use super::runs::{Listed, RunStatus};
use super::text::TextPage;
use super::{Style, json};
use crate::journal::{State, Tally};
use crate::report::approvals::release_command;
use crate::report::format::{chain, duration, moment, number};
use crate::report::text_table::{Cell, Column, Grid};
use crate::report::tone::Tone;

/// A narrow terminal goes without some: a run's name begins with its time,
/// and the others follow from what is left or can be asked for.
const COLUMNS: [Column; 9] = [
    Column::left("STARTED").spare(1),
    Column::left("RUN"),
    Column::left("ENVIRONMENT"),
    Column::left("OUTCOME"),
    Column::right("REVOKED"),
    Column::right("NOT REVOKED").spare(5),
    Column::right("DURATION").spare(4),
    Column::right("CALLS").spare(3),
    Column::left("OTHER STATES").spare(2),
];

/// The list of runs for a terminal.
#[must_use]
pub fn listing(listed: &[Listed], style: Style) -> String {
    let mut page = TextPage::new(style);
    if listed.is_empty() {
        page.line("no runs");
        return page.text;
    }
    let mut grid = Grid::new(&COLUMNS);
    for listed in listed {
        let run = listed.folder.run().to_string();
        match &listed.standing {
            Ok(standing) => grid.row(cells(run, standing)),
            Err(error) => grid.spanned(vec!["?".into(), run.into()], chain(error)),
        }
    }
    grid.lay(&mut page, 0);
    for listed in listed {
        let standing = listed.standing.as_ref();
        if let Some(digest) = standing.ok().and_then(|run| run.approve.as_ref()) {
            let run = listed.folder.run();
            page.line("");
            page.line(&format!("{run} is HELD; a person releases it by"));
            // A command is never broken: it is there to be copied.
            page.line(&format!("  {}", release_command(&listed.folder, digest)));
        }
    }
    page.text
}

fn cells(run: String, standing: &RunStatus) -> Vec<Cell> {
    let revoked = standing.ids.of(State::Revoked);
    let others = standing.ids.total() - revoked;
    vec![
        moment(standing.started).into(),
        run.into(),
        standing.environment.clone().into(),
        match standing.approve {
            Some(_) => Cell::toned("HELD (7)".to_owned(), Tone::Bad),
            None => outcome(&standing.outcome, standing.exit_code),
        },
        format!("{}/{}", number(revoked), number(standing.rows.distinct)).into(),
        number(others).into(),
        standing
            .seconds()
            .map_or_else(|| "-".into(), duration)
            .into(),
        number(standing.requests.total()).into(),
        other_states(&standing.ids).into(),
    ]
}

/// How a process ended, with its exit code; what needs a look stands out.
pub(super) fn outcome(word: &str, code: Option<u8>) -> Cell {
    let text = match code {
        Some(code) => format!("{word} ({code})"),
        None => word.to_owned(),
    };
    match word {
        "complete" => text.into(),
        "running" | "partial" | "empty" => Cell::toned(text, Tone::Wary),
        _ => Cell::toned(text, Tone::Bad),
    }
}

/// `2 refused, 1 missing`.
pub(super) fn other_states(ids: &Tally) -> String {
    let others = State::SHOWN.into_iter().skip(1);
    let others = others.filter(|state| ids.of(*state) > 0).map(|state| {
        let word = state.word().replace('_', " ");
        format!("{} {word}", number(ids.of(state)))
    });
    others.collect::<Vec<_>>().join(", ")
}

/// The list of runs for programs: an array, newest first.
#[must_use]
pub fn listing_json(listed: &[Listed]) -> String {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum ListingRow<'a> {
        Run {
            run: &'a str,
            #[serde(flatten)]
            standing: &'a RunStatus,
        },
        Unreadable {
            run: &'a str,
            error: String,
        },
    }
    let rows: Vec<ListingRow<'_>> = listed
        .iter()
        .map(|listed| {
            let run = listed.folder.run().as_str();
            match &listed.standing {
                Ok(standing) => ListingRow::Run { run, standing },
                Err(error) => ListingRow::Unreadable {
                    run,
                    error: chain(error),
                },
            }
        })
        .collect();
    json::pretty(&rows)
}
