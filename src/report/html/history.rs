//! The nights in a row as a page.

use std::collections::BTreeMap;

use askama::Template;

use super::bar::Coord;
use super::page::{Band, SCRIPT, STYLE, policy};
use super::timeline::{Area, Label, as_float, label, levels};
use crate::journal::State;
use crate::report::format::{count, duration, moment, number, rfc3339};
use crate::report::history::{History, HistoryRow, HistoryWarning, real};
use crate::report::outcome::open_ids;
use crate::report::search::UnreadableRun;
use crate::report::tone::Tone;

/// The drawings, in pixels from their tops.
const HEIGHT: f64 = 152.0;
const TOP: f64 = 24.0;
const BASE: f64 = 120.0;
/// So many nights of a place are drawn, the newest.
const DRAWN: usize = 60;
/// A night is at most so wide, in percent.
const WIDEST: f64 = 7.0;
/// Room for the scale on the left, in percent.
const SCALE: f64 = 6.0;
/// Two dates are at least so far apart, in percent.
const APART: f64 = 8.0;
/// So many nights are in the table, and so many are told of one by one.
const LISTED: usize = 1_000;
const LOOKS: usize = 50;

/// The page.
#[derive(Template)]
#[template(path = "nights.html", config = "src/report/html/askama.toml")]
struct HistoryPage<'a> {
    policy: String,
    style: &'static str,
    script: &'static str,
    band: Band,
    tone: &'static str,
    mark: &'static str,
    kicker: String,
    headline: String,
    answer: String,
    looks: Vec<Line<'a>>,
    looks_left_out: Option<String>,
    charts: Vec<Chart>,
    height: f64,
    base: f64,
    /// By their places among the causes.
    causes: Vec<(usize, String)>,
    rows: Vec<Line<'a>>,
    rows_left_out: Option<String>,
    choices: Vec<(String, String)>,
    unreadable: &'a [UnreadableRun],
}

/// A night as a row of the table.
struct Line<'a> {
    started: String,
    started_at: String,
    date: String,
    run: &'a str,
    environment: &'a str,
    outcome: String,
    look: &'static str,
    ids: String,
    not_revoked: String,
    /// Seconds and words.
    at_work: (String, String),
    /// Likewise, cause by cause.
    waits: Vec<(String, String)>,
    tags: String,
    remarks: &'a [HistoryWarning],
}

/// The nights that went to one place, in drawings.
struct Chart {
    place: String,
    drawings: [Drawing; 2],
    left_out: Option<String>,
}

/// A drawing with a column a night, the oldest first.
struct Drawing {
    name: &'static str,
    title: &'static str,
    summary: String,
    legend: Vec<(&'static str, &'static str)>,
    levels: Vec<Label>,
    columns: Vec<Area>,
    /// Above the nights that need a look.
    marks: Vec<Label>,
    ticks: Vec<Label>,
}

impl History {
    /// As a page that loads nothing and sends nothing.
    #[must_use]
    pub fn html(&self) -> String {
        HistoryPage::of(self)
            .render()
            .unwrap_or_else(|error| unreachable!("a page is text: {error}"))
    }

    /// Where the nights went, each place with its nights, newest first.
    fn places(&self) -> BTreeMap<(&str, &str), Vec<&HistoryRow>> {
        let mut places: BTreeMap<(&str, &str), Vec<&HistoryRow>> = BTreeMap::new();
        for night in &self.nights {
            let standing = &night.standing;
            let place = (standing.environment.as_str(), standing.base_url.as_str());
            places.entry(place).or_default().push(night);
        }
        places
    }
}

impl<'a> HistoryPage<'a> {
    fn of(history: &'a History) -> Self {
        let places = history.places();
        let look = history.remarkable();
        let (tone, mark) = match (history.nights.is_empty(), history.worst()) {
            (true, _) | (_, Some(Tone::Wary)) => ("wary", "!"),
            (_, Some(Tone::Bad)) => ("bad", "✕"),
            _ => ("good", "✓"),
        };
        let looks = history
            .nights
            .iter()
            .filter(|night| !night.remarks.is_empty());
        Self {
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            band: band(history, &places),
            tone,
            mark,
            kicker: "The nights in a row".to_owned(),
            headline: headline(history),
            answer: answer(history),
            looks: looks.take(LOOKS).map(Line::of).collect(),
            looks_left_out: more(look, LOOKS),
            charts: places
                .iter()
                .map(|(place, nights)| Chart::of(*place, nights))
                .collect(),
            height: HEIGHT,
            base: BASE,
            causes: causes(history),
            rows: history.nights.iter().take(LISTED).map(Line::of).collect(),
            rows_left_out: more(history.nights.len(), LISTED),
            choices: choices(&places),
            unreadable: &history.unreadable,
        }
    }
}

fn headline(history: &History) -> String {
    let all = history.nights.len() as u64;
    match (all, history.remarkable() as u64) {
        (0, _) => "There are no runs.".to_owned(),
        (1, 0) => "The one night needs no look.".to_owned(),
        (_, 0) => format!("None of {} nights needs a look.", number(all)),
        (_, 1) => format!("1 of {} needs a look.", count(all, "night", "nights")),
        (_, look) => {
            let all = count(all, "night", "nights");
            format!("{} of {all} need a look.", number(look))
        }
    }
}

fn answer(history: &History) -> String {
    let (Some(newest), Some(oldest)) = (history.nights.first(), history.nights.last()) else {
        return String::new();
    };
    let (revoked, all) = history.sums();
    let day = |night: &HistoryRow| night.standing.started.strftime("%Y-%m-%d").to_string();
    let when = match (day(oldest), day(newest)) {
        (from, to) if from == to => format!("on {to}"),
        (from, to) => format!("from {from} to {to}"),
    };
    let (revoked, all) = (number(revoked), count(all, "ID", "IDs"));
    let together = if history.nights.len() > 1 {
        " in all runs together"
    } else {
        ""
    };
    format!("{revoked} of {all} revoked{together}, {when}.")
}

/// Where it was: one place, or several.
fn band(history: &History, places: &BTreeMap<(&str, &str), Vec<&HistoryRow>>) -> Band {
    let mut places = places.keys();
    match (places.next(), places.next()) {
        (Some((environment, url)), None) => Band::of(environment, url),
        (None, _) => match &history.restriction.environment {
            Some(environment) => Band::of(environment, ""),
            None => Band::several(history.restriction.base_url.clone().unwrap_or_default()),
        },
        (Some((first, _)), Some((second, _))) => {
            let mut names = vec![*first, *second];
            names.extend(places.map(|(environment, _)| *environment));
            names.dedup();
            Band::several(names.join(", "))
        }
    }
}

fn more(all: usize, shown: usize) -> Option<String> {
    let more = all.checked_sub(shown).filter(|more| *more > 0)?;
    Some(count(more as u64, "more night is", "more nights are"))
}

/// The causes for which somebody waited, as the table heads them.
fn causes(history: &History) -> Vec<(usize, String)> {
    let waited = |index: usize| {
        let mut nights = history.nights.iter();
        nights.any(|night| night.standing.waited.by_cause()[index].seconds > 0.0)
    };
    let causes = crate::report::WaitTotals::default().by_cause().into_iter();
    causes
        .enumerate()
        .filter(|(index, _)| waited(*index))
        .map(|(index, wait)| {
            let (first, rest) = wait.heading.split_at(1);
            (index, format!("{first}{}", rest.to_lowercase()))
        })
        .collect()
}

fn choices(places: &BTreeMap<(&str, &str), Vec<&HistoryRow>>) -> Vec<(String, String)> {
    let mut names: Vec<&str> = places.keys().map(|(environment, _)| *environment).collect();
    names.dedup();
    let names = if names.len() > 1 { names } else { Vec::new() };
    let names = names.into_iter();
    names.map(|name| (tag(name), name.to_owned())).collect()
}

/// An environment among the tags of a row, which blanks part.
fn tag(environment: &str) -> String {
    format!("on-{}", environment.replace(' ', "-"))
}

impl<'a> Line<'a> {
    fn of(night: &'a HistoryRow) -> Self {
        let standing = &night.standing;
        let time = |seconds: f64| {
            let words = if seconds > 0.0 {
                duration(seconds)
            } else {
                "–".to_owned()
            };
            (format!("{seconds:.1}"), words)
        };
        let at_work = standing
            .worked
            .map_or_else(|| (String::new(), "–".to_owned()), time);
        let waits = standing.waited.by_cause().into_iter();
        let outcome = match standing.exit_code {
            Some(code) => format!("{} ({code})", standing.outcome),
            None => standing.outcome.clone(),
        };
        let mut tags = tag(&standing.environment);
        if !night.remarks.is_empty() {
            tags.push_str(" look");
        }
        Self {
            started: standing.started.strftime("%Y-%m-%d %H:%M").to_string(),
            started_at: rfc3339(standing.started),
            date: standing.started.strftime("%b %-d").to_string(),
            run: &night.run,
            environment: &standing.environment,
            outcome,
            look: look(night),
            ids: number(standing.rows.distinct),
            not_revoked: number(standing.ids.total() - standing.ids.of(State::Revoked)),
            at_work,
            waits: waits.map(|wait| time(wait.seconds)).collect(),
            tags,
            remarks: &night.remarks,
        }
    }
}

/// How an outcome looks: like a state that is as good or bad.
fn look(night: &HistoryRow) -> &'static str {
    match night.standing.outcome.as_str() {
        "complete" => "revoked",
        "running" => "in_flight",
        "partial" | "empty" => "unknown",
        _ => "refused",
    }
}

impl Chart {
    /// `nights` come newest first.
    fn of((environment, url): (&str, &str), nights: &[&HistoryRow]) -> Self {
        let drawn: Vec<&HistoryRow> = nights.iter().take(DRAWN).rev().copied().collect();
        let place = match (environment, url) {
            ("sandbox", _) | (_, "") => environment.to_owned(),
            _ => format!("{environment} at {url}"),
        };
        Self {
            place,
            drawings: [volume(&drawn), time(&drawn)],
            left_out: more(nights.len(), DRAWN),
        }
    }
}

/// The IDs of each night, by what became of them.
fn volume(nights: &[&HistoryRow]) -> Drawing {
    let parts = |night: &HistoryRow| {
        let ids = &night.standing.ids;
        let revoked = ids.of(State::Revoked);
        let lost = ids.of(State::Refused) + ids.of(State::Missing);
        [
            ("l-revoked", "revoked", revoked),
            ("l-refused", "refused or not known", lost),
            ("l-pending", "open", open_ids(ids)),
        ]
    };
    let total = |night: &&&HistoryRow| night.standing.rows.distinct;
    let most = nights.iter().max_by_key(total);
    let summary = most.map_or_else(String::new, |most| {
        format!(
            "{}, {} in all, at most {} ({}).",
            count(nights.len() as u64, "night", "nights"),
            count(nights.iter().map(|night| total(&night)).sum(), "ID", "IDs"),
            number(total(&most)),
            moment(most.standing.started)
        )
    });
    let (level, top) = levels(most.map_or(1, |most| total(&most)).max(1));
    let mut drawing = Drawing {
        name: "volume",
        title: "IDs a night",
        summary,
        legend: Vec::new(),
        levels: lines(level, top, number),
        columns: Vec::new(),
        marks: Vec::new(),
        ticks: Vec::new(),
    };
    drawing.draw(nights, as_float(top), |night| {
        parts(night).map(|(look, words, ids)| (look, words, real(ids), number(ids)))
    });
    drawing
}

/// The time at work of each night, and what of it was lost.
fn time(nights: &[&HistoryRow]) -> Drawing {
    let parts = |night: &HistoryRow| {
        let lost = night.standing.waited.lost();
        let worked = night.standing.worked.unwrap_or(lost).max(lost);
        [
            ("c-clean", "at work", worked - lost),
            ("c-hold", "lost to waits", lost),
        ]
    };
    let all =
        |night: &HistoryRow| -> f64 { parts(night).iter().map(|(_, _, seconds)| seconds).sum() };
    let peak = nights.iter().map(|night| all(night)).fold(0.0, f64::max);
    let (unit, name) = match peak {
        ..300.0 => (1.0, "s"),
        ..18_000.0 => (60.0, "min"),
        _ => (3_600.0, "h"),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and saturates"
    )]
    let (level, top) = levels((peak / unit).ceil().max(1.0) as u64);
    let lost: f64 = nights
        .iter()
        .map(|night| night.standing.waited.lost())
        .sum();
    let waited = if lost > 0.0 {
        format!("{} lost to waits in all", duration(lost))
    } else {
        "nothing lost to waits".to_owned()
    };
    let mut drawing = Drawing {
        name: "time",
        title: "Time a night",
        summary: format!(
            "{} at work at most, {waited}; the pace that is kept is no loss.",
            duration(peak)
        ),
        legend: Vec::new(),
        levels: lines(level, top, |n| format!("{} {name}", number(n))),
        columns: Vec::new(),
        marks: Vec::new(),
        ticks: Vec::new(),
    };
    drawing.draw(nights, as_float(top) * unit, |night| {
        parts(night).map(|(look, words, seconds)| (look, words, seconds, duration(seconds)))
    });
    drawing
}

/// The lines across.
fn lines(level: u64, top: u64, text: impl Fn(u64) -> String) -> Vec<Label> {
    let scale = (BASE - TOP) / as_float(top);
    (1..=top / level)
        .map(|n| label(0.0, BASE - as_float(n * level) * scale, text(n * level)))
        .collect()
}

impl Drawing {
    /// Draws a column a night, `top` of what `parts` measure high at most.
    fn draw<const N: usize>(
        &mut self,
        nights: &[&HistoryRow],
        top: f64,
        parts: impl Fn(&HistoryRow) -> [(&'static str, &'static str, f64, String); N],
    ) {
        let scale = (BASE - TOP) / top;
        let across = ((100.0 - SCALE) / as_float(nights.len().max(1) as u64)).min(WIDEST);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small number of columns"
        )]
        let step = (APART / across).ceil().max(1.0) as usize;
        for (index, night) in nights.iter().enumerate() {
            let x = SCALE + across * as_float(index as u64);
            let middle = x + across / 2.0;
            let mut y = BASE;
            for (look, words, length, text) in parts(night) {
                if self.legend.iter().all(|(known, _)| *known != look) {
                    self.legend.push((look, words));
                }
                if length <= 0.0 {
                    continue;
                }
                // What is there is to be seen.
                let height = (length * scale).max(1.0);
                y -= height;
                self.columns.push(Area {
                    look,
                    x: Coord(x + across * 0.1),
                    y: Coord(y),
                    width: Coord(across * 0.8),
                    height: Coord(height),
                    title: format!("{}: {text} {words}", moment(night.standing.started)),
                });
            }
            if !night.remarks.is_empty() {
                self.marks.push(label(middle, y - 5.0, "!".to_owned()));
            }
            if index % step == 0 {
                let date = night.standing.started.strftime("%b %-d").to_string();
                self.ticks.push(label(middle, BASE + 18.0, date));
            }
        }
    }
}
