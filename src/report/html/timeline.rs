//! The run over time, as a drawing: a column for each stretch of time, the
//! waits that stopped every call, and where processes began and ended.
//!
//! Lengths across are in percent and heights in pixels, so that a page of any
//! width shows letters of one size. The time between two processes is not to
//! scale: it can be days.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::activity::{Activity, Column, Ending, ProcessActivity};
use super::bar::Coord;
use crate::journal::HoldCause;
use crate::report::format::{count, duration, moment, number, seconds, visible};

/// The drawing, in pixels from its top.
pub(super) const HEIGHT: f64 = 212.0;
const TOP: f64 = 44.0;
pub(super) const BASE: f64 = 184.0;
/// Room between two processes, in percent.
const GAP: f64 = 1.6;
/// About what a letter takes on a page of full width, in percent. On a narrow
/// one most labels are not shown; the table beside the drawing says it all.
const LETTER: f64 = 0.78;
/// The same for the labels of waits, which a page that is not wide enough for
/// this goes without.
const CAUSE_LETTER: f64 = 0.65;
/// Two times are at least so far apart, in percent.
const APART: f64 = 11.0;
const DAY: i64 = 86_400;
/// Steps between two times that people read easily, in seconds.
const STEPS: [i64; 16] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200,
];

/// A rectangle.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Area {
    pub(super) look: &'static str,
    pub(super) x: Coord,
    pub(super) y: Coord,
    pub(super) width: Coord,
    pub(super) height: Coord,
    /// What it says where somebody points at it.
    pub(super) title: String,
}

/// Words at a place.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Label {
    pub(super) x: Coord,
    pub(super) y: Coord,
    pub(super) text: String,
}

/// A row of the table that says the same.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct TimelineRow {
    pub(super) from: String,
    pub(super) calls: [String; 3],
}

/// The drawing.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Timeline {
    pub(super) columns: Vec<Area>,
    pub(super) holds: Vec<Area>,
    pub(super) hold_labels: Vec<Label>,
    /// How the waits of each cause are drawn, and what they are.
    pub(super) hold_looks: Vec<(&'static str, &'static str)>,
    /// Where processes begin, and what they are.
    pub(super) starts: Vec<Label>,
    pub(super) ticks: Vec<Label>,
    /// Lines across, with what they stand for.
    pub(super) levels: Vec<Label>,
    /// How many calls the limit leaves room for in a column, where that is
    /// within the drawing.
    pub(super) allowed: Option<Label>,
    /// The base lines of the processes: their x and their width.
    pub(super) bases: Vec<(Coord, Coord)>,
    /// What one column is: `10 s`.
    pub(super) unit: String,
    /// All in a sentence or two.
    pub(super) summary: String,
    pub(super) rows: Vec<TimelineRow>,
}

impl Timeline {
    /// Nothing, if no call was made.
    pub(super) fn of(activity: &Activity) -> Option<Self> {
        let peak = activity.peak();
        if peak == 0 {
            return None;
        }
        let mut drawing = Self {
            unit: unit(activity.width),
            summary: summary(activity),
            ..Self::default()
        };
        let (level, top) = levels(peak);
        let scale = (BASE - TOP) / as_float(top);
        drawing.levels = (1..=top / level)
            .map(|n| Label {
                x: Coord(0.0),
                y: Coord(BASE - as_float(n * level) * scale),
                text: number(n * level),
            })
            .collect();
        drawing.allowed = activity
            .stints
            .last()
            .and_then(|stint| tightest(&stint.process.settings))
            .map(|(rate, per_ms)| (rate, per_ms * as_float(activity.width.cast_unsigned())))
            .filter(|(_, calls)| *calls <= as_float(top))
            .map(|(rate, calls)| label(0.0, BASE - calls * scale, format!("{rate} allowed")));
        let columns: usize = activity.stints.iter().map(|s| s.columns.len()).sum();
        let gaps = GAP * as_float(activity.stints.len() as u64 - 1);
        let across = (100.0 - gaps) / as_float(columns as u64);
        let step = step(activity.width, across);
        let mut x = 0.0;
        let mut before: Option<&ProcessActivity> = None;
        for (n, stint) in (activity.left_out + 1..).zip(&activity.stints) {
            let place = Place {
                x,
                across,
                scale,
                ms: activity.width,
            };
            drawing.stint(n, stint, before, &place, step);
            x += across * as_float(stint.columns.len() as u64) + GAP;
            before = Some(stint);
        }
        Some(drawing)
    }

    fn stint(
        &mut self,
        n: usize,
        stint: &ProcessActivity,
        before: Option<&ProcessActivity>,
        at: &Place,
        step: i64,
    ) {
        let width = at.across * as_float(stint.columns.len() as u64);
        self.bases.push((Coord(at.x), Coord(width)));
        let command = visible(&stint.process.command);
        let later = before.map(|before| {
            let idle = seconds(before.end, stint.process.started);
            format!("{n} {command}, {} later", duration(idle))
        });
        let names = [later, Some(format!("{n} {command}")), Some(n.to_string())];
        let fits = |name: &String| letters(name) * LETTER < width;
        if let Some(text) = names.into_iter().flatten().find(fits) {
            self.starts.push(label(at.x, 12.0, text));
        } else {
            self.starts.push(label(at.x, 12.0, String::new()));
        }
        for (index, column) in stint.columns.iter().enumerate() {
            let from = stint.at(index, at.ms);
            self.column(column, from, at.x + at.across * as_float(index as u64), at);
            self.rows.push(TimelineRow {
                from: moment(from),
                calls: column.map(number),
            });
        }
        let mut longest = Vec::new();
        for hold in &stint.holds {
            let end = hold.until.min(stint.end).max(hold.began);
            let (from, to) = (at.of(stint, hold.began), at.of(stint, end));
            let to = to.clamp(from, at.x + width).max(from + 0.3);
            let lasted = duration(seconds(hold.began, end));
            let text = format!("{} {lasted}", visible(&hold.cause));
            let (look, meaning) = cause(&hold.cause);
            if !self.hold_looks.contains(&(look, meaning)) {
                self.hold_looks.push((look, meaning));
            }
            self.holds.push(Area {
                look,
                x: Coord(from),
                y: Coord(TOP - 22.0),
                width: Coord(to - from),
                height: Coord(BASE - TOP + 22.0),
                title: format!(
                    "{} {lasted}, from {}",
                    visible(&hold.in_words()),
                    moment(hold.began)
                ),
            });
            longest.push((
                to - from,
                [text, lasted].map(|text| label(from, TOP - 9.0, text)),
            ));
        }
        // The longest first: two labels do not stand on one another.
        longest.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        for (_, labels) in longest {
            let free = |label: &Label| {
                let (from, to) = extent(label);
                let mut others = self.hold_labels.iter().map(extent);
                to < 100.0 && others.all(|(start, end)| end < from || to < start)
            };
            if let Some(label) = labels.into_iter().find(free) {
                self.hold_labels.push(label);
            }
        }
        self.ticks(stint, at, width, step);
    }

    fn column(&mut self, column: &Column, from: Timestamp, x: f64, at: &Place) {
        let mut y = BASE;
        for (ending, calls) in Ending::ALL.into_iter().zip(column) {
            let height = as_float(*calls) * at.scale;
            y -= height;
            if *calls > 0 {
                self.columns.push(Area {
                    look: look(ending),
                    x: Coord(x + at.across * 0.08),
                    y: Coord(y),
                    width: Coord(at.across * 0.84),
                    height: Coord(height),
                    title: format!(
                        "{}: {} {}",
                        moment(from),
                        count(*calls, "call", "calls"),
                        words(ending)
                    ),
                });
            }
        }
    }

    /// The times below the base line of a process, at round ones.
    fn ticks(&mut self, stint: &ProcessActivity, at: &Place, width: f64, step: i64) {
        let seconds = step % 60 != 0;
        let shown = |at: Timestamp| {
            let form = if seconds { "%H:%M:%S" } else { "%H:%M" };
            at.strftime(form).to_string()
        };
        let first = stint.process.started.as_second().div_euclid(step) + 1;
        let last = stint.end.as_second().div_euclid(step);
        for tick in first..=last {
            let Ok(time) = Timestamp::from_second(tick * step) else {
                continue;
            };
            let x = at.of(stint, time);
            if x + 5.0 * LETTER < at.x + width.max(6.0) {
                self.ticks.push(label(x, BASE + 18.0, shown(time)));
            }
        }
    }
}

/// Where a process stands in the drawing.
struct Place {
    x: f64,
    /// The width of a column.
    across: f64,
    /// The height of a call.
    scale: f64,
    /// How long a column lasts.
    ms: i64,
}

impl Place {
    /// Where a time is.
    fn of(&self, stint: &ProcessActivity, at: Timestamp) -> f64 {
        let since = seconds(stint.process.started, at) * 1000.0;
        self.x + since / as_float(self.ms.cast_unsigned()) * self.across
    }
}

/// From where to where the label of a wait reaches.
fn extent(label: &Label) -> (f64, f64) {
    (label.x.0, label.x.0 + letters(&label.text) * CAUSE_LETTER)
}

pub(super) fn label(x: f64, y: f64, text: String) -> Label {
    Label {
        x: Coord(x),
        y: Coord(y),
        text,
    }
}

pub(super) const fn look(ending: Ending) -> &'static str {
    match ending {
        Ending::Clean => "clean",
        Ending::Refused => "refused",
        Ending::Trouble => "trouble",
    }
}

/// How a wait of that cause is drawn, and what the legend calls it.
fn cause(word: &str) -> (&'static str, &'static str) {
    match HoldCause::from_word(word) {
        Some(HoldCause::Penalty) => ("hold-penalty", "penalty: every call waits"),
        Some(HoldCause::Window) => ("hold-window", "window to avoid: every call waits"),
        Some(HoldCause::Lockout) | None => ("hold", "lockout: every call waits"),
    }
}

const fn words(ending: Ending) -> &'static str {
    match ending {
        Ending::Clean => "answered cleanly",
        Ending::Refused => "refused",
        Ending::Trouble => "without a clean answer",
    }
}

fn letters(text: &str) -> f64 {
    as_float(text.chars().count() as u64)
}

#[expect(clippy::cast_precision_loss, reason = "a length for the eye")]
pub(super) const fn as_float(n: u64) -> f64 {
    n as f64
}

/// The limit that allows least in the long run, of those in a process's
/// settings, and the calls that it allows in a millisecond.
fn tightest(settings: &str) -> Option<(String, f64)> {
    let settings: serde_json::Value = serde_json::from_str(settings).ok()?;
    // One text with commas in it is the form of version 0.1.0.
    let rates = match settings.get("rate")? {
        serde_json::Value::Array(rates) => rates.iter().filter_map(|rate| rate.as_str()).collect(),
        one => vec![one.as_str()?],
    };
    rates
        .into_iter()
        .flat_map(|rates| rates.split(','))
        .filter_map(|rate| {
            let (calls, unit) = rate.trim().split_once('/')?;
            let ms = match unit {
                "s" => 1e3,
                "m" => 60e3,
                "h" => 3600e3,
                _ => return None,
            };
            let calls: u32 = calls.parse().ok()?;
            Some((
                format!("{}/{unit}", number(calls.into())),
                f64::from(calls) / ms,
            ))
        })
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// The distance of the lines across, and the topmost of them.
pub(super) fn levels(peak: u64) -> (u64, u64) {
    let mut level = 1;
    for factor in [2_u64, 5, 10].into_iter().cycle() {
        if peak.div_ceil(level) <= 4 {
            break;
        }
        let power = 10_u64.pow(level.ilog10());
        level = match factor {
            2 => power * 2,
            5 => power * 5,
            _ => power * 10,
        };
    }
    (level, peak.div_ceil(level) * level)
}

/// The time from one label to the next, in seconds.
fn step(width: i64, across: f64) -> i64 {
    let apart = |step: &i64| {
        as_float((step * 1000).cast_unsigned()) / as_float(width.cast_unsigned()) * across
    };
    STEPS
        .into_iter()
        .find(|step| apart(step) > APART)
        .unwrap_or_else(|| {
            let days = (APART / apart(&DAY)).ceil().max(1.0);
            #[expect(clippy::cast_possible_truncation, reason = "a run is no such time")]
            let days = days as i64;
            days * DAY
        })
}

/// How long a column lasts, in words.
fn unit(ms: i64) -> String {
    match ms {
        0..1_000 => format!("{:.1} s", as_float(ms.cast_unsigned()) / 1000.0),
        1_000..60_000 => format!("{} s", ms / 1_000),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        3_600_000..86_400_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

fn summary(activity: &Activity) -> String {
    let calls: u64 = activity.stints.iter().map(|stint| stint.calls).sum();
    let lasted: f64 = activity
        .stints
        .iter()
        .map(|stint| seconds(stint.process.started, stint.end))
        .sum();
    let holds = activity
        .stints
        .iter()
        .map(|stint| stint.holds.len())
        .sum::<usize>();
    let mut summary = format!(
        "{} in {}, at most {} in {}.",
        count(calls, "call", "calls"),
        duration(lasted),
        number(activity.peak()),
        unit(activity.width),
    );
    // Writing to a string cannot fail.
    if activity.stints.len() > 1 {
        let _ = write!(
            summary,
            " {} took part; the time between them is not to scale.",
            count(activity.stints.len() as u64, "process", "processes")
        );
    }
    if holds > 0 {
        let _ = write!(
            summary,
            " {} every call.",
            count(holds as u64, "wait stopped", "waits stopped")
        );
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_shown_is_the_one_that_allows_least() {
        let of = |settings: &str| tightest(settings).map(|(rate, _)| rate);
        assert_eq!(
            of(r#"{"rate":"80/m,4000/h,5/s"}"#).as_deref(),
            Some("4,000/h")
        );
        for none in ["", "{}", r#"{"rate":"unlimited"}"#, r#"{"rate":"x/d"}"#] {
            assert_eq!(of(none), None);
        }
    }

    #[test]
    fn lines_across_stand_at_numbers_that_people_count_in() {
        let all = [1, 4, 5, 9, 37, 41, 100, 999, 12_345];
        assert_eq!(
            all.map(levels),
            [
                (1, 1),
                (1, 4),
                (2, 6),
                (5, 10),
                (10, 40),
                (20, 60),
                (50, 100),
                (500, 1_000),
                (5_000, 15_000)
            ]
        );
    }
}
