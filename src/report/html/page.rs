//! What stands on a page, in the order in which it is read.

use askama::Template;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest, Sha256};

use super::activity::Activity;
use super::bar::{self, BarPart, Coord};
use super::extract::Extract;
use super::latency::{self, KindLatency, latencies};
use super::tables::Tables;
use super::timeline::{self, Timeline};
use crate::journal::RunFolder;
use crate::report::file_names::{
    BEFORE_CSV, PERMISSIONS_CSV, REJECTED_CSV, REMAINING_CSV, RESULTS_CSV, SUMMARY_JSON,
    VERIFICATION_CSV,
};
use crate::report::format::{count, duration, moment, number, seconds};
use crate::report::html::outcomes::{self, Divided, OutcomeView, ProcessView, Tries};
use crate::report::report_model::Review;
use crate::report::tone::Tone;
use crate::report::{RejectFigures, Summary, text};

pub(super) const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("script.js");

/// A page.
#[derive(Template)]
#[template(path = "page.html", config = "src/report/html/askama.toml")]
pub(super) struct Page<'a> {
    policy: String,
    style: &'static str,
    script: &'static str,
    summary: &'a Summary,
    band: Band,
    tone: &'static str,
    mark: &'static str,
    /// The headline up to its colon, and what comes after.
    kicker: String,
    headline: String,
    review: Review,
    bar: Vec<BarPart>,
    as_of: Option<String>,
    outcomes: Vec<OutcomeView>,
    timeline: Option<Timeline>,
    timeline_height: f64,
    timeline_base: f64,
    latency_height: f64,
    stints: Vec<ProcessView>,
    stints_left_out: Option<String>,
    waits: Vec<WaitView>,
    latencies: Vec<KindLatency>,
    tries: Vec<Tries>,
    divided: Vec<Divided>,
    divided_left_out: Option<String>,
    rejected: Vec<RejectedView>,
    tables: Tables,
    beside: bool,
    files: Vec<FileNote>,
}

/// Where the run revoked, so that it cannot be overlooked.
pub(super) struct Band {
    pub(super) look: &'static str,
    pub(super) name: String,
    pub(super) words: String,
}

/// A cause of waiting.
struct WaitView {
    words: &'static str,
    time: String,
    share: String,
    width: Coord,
}

/// The rows that gave no ID, of one reason.
struct RejectedView {
    number: String,
    reason: String,
    lines: String,
}

impl<'a> Page<'a> {
    pub(super) fn of(
        extract: &Extract,
        activity: &Activity,
        summary: &'a Summary,
        folder: &RunFolder,
        files: Vec<FileNote>,
        beside: bool,
    ) -> Self {
        let review = Review::of(summary, folder);
        let (kicker, headline) = match review.headline.split_once(": ") {
            Some((kicker, rest)) => (kicker.to_owned(), rest.to_owned()),
            None => (String::new(), review.headline.clone()),
        };
        let (tone, mark) = match review.tone {
            Tone::Good => ("good", "✓"),
            Tone::Wary => ("wary", "!"),
            Tone::Bad => ("bad", "✕"),
        };
        let more_divided = summary.divided - extract.divided.len() as u64;
        Self {
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            summary,
            band: Band::of(&summary.environment, &summary.base_url),
            tone,
            mark,
            kicker,
            headline,
            review,
            bar: bar::parts(&extract.counts),
            as_of: activity.as_of.map(moment),
            outcomes: outcomes::outcomes(summary, extract),
            timeline: Timeline::of(activity),
            timeline_height: timeline::HEIGHT,
            timeline_base: timeline::BASE,
            latency_height: latency::HEIGHT,
            stints: outcomes::stints(activity, summary.outcome == "running"),
            stints_left_out: (activity.left_out > 0).then(|| {
                count(
                    activity.left_out as u64,
                    "earlier one is",
                    "earlier ones are",
                )
            }),
            waits: waits(summary, activity),
            latencies: latencies(activity),
            tries: outcomes::tries(extract),
            divided: outcomes::divided(extract),
            divided_left_out: (more_divided > 0)
                .then(|| count(more_divided, "more batch was", "more batches were")),
            rejected: summary.rejected.iter().map(RejectedView::of).collect(),
            tables: Tables::of(extract, summary),
            beside,
            files,
        }
    }
}

/// A file beside the journal, and what is in it.
pub(super) type FileNote = (&'static str, &'static str);

/// The files that a run has. `seen` says whether permissions were read before
/// they were sent.
pub(super) fn files(summary: &Summary, seen: bool) -> Vec<FileNote> {
    let mut files = vec![
        (RESULTS_CSV, "one row per batch, with its IDs"),
        (PERMISSIONS_CSV, "one row per ID and what became of it"),
        (REMAINING_CSV, "the IDs not revoked; a list for a new run"),
        (REJECTED_CSV, "the rows that gave no ID, and why"),
    ];
    if summary.verification.is_some() {
        files.push((
            VERIFICATION_CSV,
            "what the last verification found, ID by ID",
        ));
    }
    if seen {
        files.push((
            BEFORE_CSV,
            "how each ID was shown before it was sent, with its account and user",
        ));
    }
    files.push((SUMMARY_JSON, "the figures, for programs"));
    files
}

impl Band {
    /// For nights that went to several places.
    pub(super) fn several(words: String) -> Self {
        Self {
            look: "custom",
            name: "ALL NIGHTS".to_owned(),
            words,
        }
    }

    pub(super) fn of(environment: &str, base_url: &str) -> Self {
        let (look, words) = match environment {
            "sandbox" => ("sandbox", "simulated: nothing real was revoked".to_owned()),
            "live" => (
                "live",
                "real: the permissions of funded accounts".to_owned(),
            ),
            "demo" => (
                "demo",
                "real: the permissions of evaluation accounts".to_owned(),
            ),
            "staging-live" | "staging-demo" => (
                "staging",
                "the vendor's staging system, not the real one".to_owned(),
            ),
            _ => ("custom", base_url.to_owned()),
        };
        Self {
            look,
            name: environment.to_uppercase(),
            words,
        }
    }
}

impl RejectedView {
    fn of(figures: &RejectFigures) -> Self {
        Self {
            number: number(figures.rows),
            reason: figures.reason.clone(),
            lines: text::lines(figures),
        }
    }
}

/// The time waited, by cause, against the time that the processes took.
fn waits(summary: &Summary, activity: &Activity) -> Vec<WaitView> {
    let all = activity.stints.iter();
    let lasted: f64 = all
        .map(|stint| seconds(stint.process.started, stint.end))
        .sum();
    let waits = summary.waited.by_cause().into_iter();
    waits
        .filter(|wait| wait.seconds > 0.0)
        .map(|wait| {
            let share = (wait.seconds / lasted.max(wait.seconds) * 100.0).min(100.0);
            WaitView {
                words: wait.cause,
                time: duration(wait.seconds),
                share: format!("{share:.0} %"),
                width: Coord(share.max(0.5)),
            }
        })
        .collect()
}

/// What the page may do: show itself in its own style, and run its own
/// script. It reaches nothing else.
pub(super) fn policy() -> String {
    let digest = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}
