//! What became of the runs when old ones were removed, or would have.

use serde::Serialize;

use super::text::TextPage;
use super::{Style, json};
use crate::report::format::{count, number, size};
use crate::report::prune::{KeepReason, PruneDecision};
use crate::report::text_table::{Column, Grid};
use crate::sweep::GROWTH_RUNS;

/// So many runs that are kept for one reason are named.
const NAMED: usize = 5;

/// What became of the runs, for a terminal. In a rehearsal nothing was
/// removed.
#[must_use]
pub fn pruned(fates: &[PruneDecision], rehearsal: bool, style: Style) -> String {
    let mut page = TextPage::new(style);
    let gone: Vec<&PruneDecision> = fates.iter().filter(|fate| fate.kept.is_none()).collect();
    let of_all = match (gone.len(), fates.len()) {
        (_, 0) => "there are no runs".to_owned(),
        (0, all) => format!("none of {} may go", count(all as u64, "run", "runs")),
        (gone, all) => {
            let of_all = format!(
                "{} of {}",
                number(gone as u64),
                count(all as u64, "run", "runs")
            );
            let room = size(freed(fates));
            if rehearsal {
                format!("would remove {of_all} and make {room} of room; nothing was removed")
            } else {
                format!("removed {of_all} and made {room} of room")
            }
        }
    };
    page.wrapped("", "", &of_all);
    if !gone.is_empty() {
        let mut grid = Grid::new(&[
            Column::left("RUN"),
            Column::left("ENVIRONMENT"),
            Column::left("OUTCOME"),
            Column::right("SIZE"),
        ]);
        for fate in gone {
            grid.row(vec![
                fate.run.clone().into(),
                fate.environment.clone().into(),
                fate.outcome.clone().into(),
                size(fate.bytes).into(),
            ]);
        }
        grid.lay(&mut page, 2);
    }
    let kept: Vec<(&PruneDecision, &KeepReason)> = fates
        .iter()
        .filter_map(|fate| Some((fate, fate.kept.as_ref()?)))
        .collect();
    if !kept.is_empty() {
        page.heading(&format!("kept {}", count(kept.len() as u64, "run", "runs")));
        reasons(&mut page, &kept);
    }
    page.text
}

/// The reasons, each with how many runs it keeps; the runs that somebody has
/// to look at are named.
fn reasons(page: &mut TextPage, kept: &[(&PruneDecision, &KeepReason)]) {
    let mut words: Vec<&str> = Vec::new();
    for (_, reason) in kept {
        if !words.contains(&reason.word()) {
            words.push(reason.word());
        }
    }
    for word in words {
        let alike: Vec<_> = kept.iter().filter(|(_, one)| one.word() == word).collect();
        let Some((_, reason)) = alike.first() else {
            continue;
        };
        let named = match reason {
            KeepReason::Newest | KeepReason::Young | KeepReason::Growth => String::new(),
            _ => {
                let names = alike.iter().take(NAMED).map(|(fate, reason)| match reason {
                    KeepReason::Unreadable(why) => format!("{} ({why})", fate.run),
                    _ => fate.run.clone(),
                });
                let names: Vec<String> = names.collect();
                let more = if alike.len() > NAMED { ", …" } else { "" };
                format!(": {}{more}", names.join(", "))
            }
        };
        let first = format!("  {:>3}  ", alike.len());
        page.wrapped(&first, "       ", &format!("{}{named}", phrase(reason)));
    }
}

fn phrase(kept: &KeepReason) -> String {
    match kept {
        KeepReason::Newest => "among the newest of their environment, as asked".to_owned(),
        KeepReason::Young => "ended not long enough ago, as asked".to_owned(),
        KeepReason::Unreadable(_) => "cannot be read".to_owned(),
        KeepReason::Foreign => "a link and no folder of its own".to_owned(),
        KeepReason::Locked => "another process holds the lock of the environment".to_owned(),
        KeepReason::Running => "still running".to_owned(),
        KeepReason::Held => "held for a person".to_owned(),
        KeepReason::Unfinished => "not finished".to_owned(),
        KeepReason::Counts => "its calls or holds still count for the limits".to_owned(),
        KeepReason::Left => "could not be removed".to_owned(),
        KeepReason::Growth => format!(
            "among the last {GROWTH_RUNS} finished ones of their environment, which \
             --max-growth measures by"
        ),
    }
}

fn freed(fates: &[PruneDecision]) -> u64 {
    fates.iter().map(|fate| fate.bytes).sum()
}

/// What became of the runs, for programs.
#[must_use]
pub fn pruned_json(fates: &[PruneDecision], rehearsal: bool) -> String {
    #[derive(Serialize)]
    struct Pruned<'a> {
        dry_run: bool,
        freed_bytes: u64,
        removed: Vec<Removed<'a>>,
        kept: Vec<KeptRuns<'a>>,
    }
    #[derive(Serialize)]
    struct Removed<'a> {
        run: &'a str,
        environment: &'a str,
        outcome: &'a str,
        bytes: u64,
    }
    #[derive(Serialize)]
    struct KeptRuns<'a> {
        run: &'a str,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    }
    let removed = fates.iter().filter(|fate| fate.kept.is_none());
    let kept = fates.iter().filter_map(|fate| {
        let kept = fate.kept.as_ref()?;
        Some(KeptRuns {
            run: &fate.run,
            reason: kept.word(),
            error: match kept {
                KeepReason::Unreadable(why) => Some(why),
                _ => None,
            },
        })
    });
    json::pretty(&Pruned {
        dry_run: rehearsal,
        freed_bytes: freed(fates),
        removed: removed
            .map(|fate| Removed {
                run: &fate.run,
                environment: &fate.environment,
                outcome: &fate.outcome,
                bytes: fate.bytes,
            })
            .collect(),
        kept: kept.collect(),
    })
}
