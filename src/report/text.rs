//! The report for a terminal.

use std::fmt::Write as _;

use super::{OutcomeFigures, RejectFigures, Style, Summary};
use crate::journal::RunFolder;
use crate::report::format::{count, meaning, number};
use crate::report::report_model::Review;
use crate::report::tone::Tone;

/// Nothing fits into less, and no eye follows more.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

pub(super) fn text(summary: &Summary, folder: &RunFolder, style: Style) -> String {
    let review = Review::of(summary, folder);
    let mut page = TextPage::new(style);
    page.headline(&review.headline, review.tone);
    for answer in &review.answers {
        page.wrapped("", "", answer);
    }
    page.line("");
    for (label, value) in &review.facts {
        page.wrapped(&format!("{label:<9}"), "         ", value);
    }
    page.section("Accounting", &review.accounting);
    if !summary.outcomes.is_empty() {
        page.heading("Outcomes");
        outcomes(&mut page, &summary.outcomes);
    }
    if !summary.rejected.is_empty() {
        page.heading("Rows that gave no ID to send");
        rejected(&mut page, &summary.rejected);
    }
    page.section("Work", &review.work);
    page.section("Proof", &review.proof);
    page.heading("Next");
    for step in &review.next {
        // A command is never broken: it is there to be copied.
        page.line(&format!("  {}", step.what));
        page.wrapped("      ", "      ", &step.why);
    }
    page.text
}

fn outcomes(page: &mut TextPage, outcomes: &[OutcomeFigures]) {
    let all: Vec<String> = outcomes.iter().map(|figures| number(figures.ids)).collect();
    let widest = all.iter().map(String::len).max().unwrap_or(0);
    let indent = " ".repeat(widest + 3);
    for (figures, n) in outcomes.iter().zip(&all) {
        let state = figures.state.word().replace('_', " ");
        let reason = match figures.reason.as_str() {
            "" => String::new(),
            reason => format!(" [{reason}]"),
        };
        page.wrapped(
            &format!("  {n:>widest$} "),
            &indent,
            &format!(
                "{state}: {}{reason}",
                meaning(figures.state, &figures.reason)
            ),
        );
        let more = if figures.ids > figures.samples.len() as u64 {
            ", …"
        } else {
            ""
        };
        page.wrapped(
            &indent,
            &indent,
            &format!(
                "{}{more} in {}",
                joined(&figures.samples),
                count(figures.batches, "batch", "batches")
            ),
        );
        if !figures.message.is_empty() {
            let others = if figures.other_messages {
                " (and other words)"
            } else {
                ""
            };
            page.wrapped(&indent, &indent, &format!("“{}”{others}", figures.message));
        }
    }
}

fn rejected(page: &mut TextPage, rejected: &[RejectFigures]) {
    let all: Vec<String> = rejected
        .iter()
        .map(|figures| number(figures.rows))
        .collect();
    let widest = all.iter().map(String::len).max().unwrap_or(0);
    let indent = " ".repeat(widest + 3);
    for (figures, n) in rejected.iter().zip(&all) {
        page.wrapped(
            &format!("  {n:>widest$} "),
            &indent,
            &format!("{} ({})", figures.reason, lines(figures)),
        );
    }
}

/// `line 7`, `lines 3, 9, 14, …`.
pub(super) fn lines(figures: &RejectFigures) -> String {
    let word = if figures.rows == 1 { "line" } else { "lines" };
    let more = if figures.rows > figures.lines.len() as u64 {
        ", …"
    } else {
        ""
    };
    format!("{word} {}{more}", joined(&figures.lines))
}

/// Numbers as they are: they are there to be searched for.
pub(super) fn joined(numbers: &[impl ToString]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(", ")
}

/// Text that is being laid out.
pub(super) struct TextPage {
    pub(super) text: String,
    pub(super) style: Style,
}

impl TextPage {
    pub(super) fn new(style: Style) -> Self {
        Self {
            text: String::new(),
            style,
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The verdict, in bold; the colour repeats what its first words say.
    fn headline(&mut self, headline: &str, tone: Tone) {
        let code = format!("1;{}", tone.colour());
        self.painted(&code, |page| page.wrapped("", "", headline));
    }

    /// A line that stands out in the colour of what it says.
    pub(super) fn toned(&mut self, line: &str, tone: Tone) {
        self.painted(tone.colour(), |page| page.wrapped("", "  ", line));
    }

    /// Words about what stands above, behind `first`.
    pub(super) fn remark(&mut self, first: &str, words: &str, tone: Tone) {
        let rest = " ".repeat(first.chars().count());
        self.painted(tone.colour(), |page| page.wrapped(first, &rest, words));
    }

    pub(super) fn heading(&mut self, heading: &str) {
        self.line("");
        self.bold(heading);
    }

    pub(super) fn bold(&mut self, line: &str) {
        self.painted("1", |page| page.line(line));
    }

    pub(super) fn section(&mut self, heading: &str, lines: &[String]) {
        self.heading(heading);
        for line in lines {
            self.wrapped("  ", "    ", line);
        }
    }

    fn painted(&mut self, code: &str, write: impl FnOnce(&mut Self)) {
        if !self.style.colour {
            return write(self);
        }
        let _ = write!(self.text, "\u{1b}[{code}m");
        write(self);
        // Before the line feed, or some pagers paint the next line too.
        self.text.pop();
        self.text.push_str("\u{1b}[0m\n");
    }

    /// `text` broken between words: `first` before its first line, `rest`
    /// before the others.
    pub(super) fn wrapped(&mut self, first: &str, rest: &str, text: &str) {
        let width = self.style.width.clamp(*WIDTHS.start(), *WIDTHS.end());
        self.text.push_str(first);
        let mut used = first.chars().count();
        let mut fresh = true;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let length = word.chars().count();
            if !fresh && used + 1 + length > width {
                self.text.push('\n');
                self.text.push_str(rest);
                used = rest.chars().count();
                fresh = true;
            }
            if !fresh {
                self.text.push(' ');
                used += 1;
            }
            self.text.push_str(word);
            used += length;
            fresh = false;
        }
        self.text.push('\n');
    }
}
