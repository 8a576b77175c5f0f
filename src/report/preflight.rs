//! What reading a list alone has shown (`rescind plan --online`): whether the
//! token is good, and how each ID stands before anything is revoked.

use super::ReportError;
use super::outcome::Outcome;
use super::text::{TextPage, joined};
use crate::journal::{
    CallCounts, CallTiming, Evidence, EvidenceRow, JournalReader, ProcessRow, RunFolder,
    TokenOrigin, TokenRow,
};
use crate::list::PermissionId;
use crate::report::format::{count, duration, ids, moment, number, place, seconds, visible};

/// So many IDs of each kind are named.
const NAMED: usize = 3;

/// More of the IDs than this are worth a warning, in percent: as many as make
/// a night one that needs a look.
const MANY: u64 = 5;

/// IDs that were found alike.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Alike {
    /// How many.
    pub ids: u64,
    /// The first ones, in the order of the list.
    pub first: Vec<PermissionId>,
}

impl Alike {
    fn add(&mut self, id: PermissionId) {
        self.ids += 1;
        if self.first.len() < NAMED {
            self.first.push(id);
        }
    }

    fn are_many_of(&self, all: u64) -> bool {
        self.ids.saturating_mul(100) > all.saturating_mul(MANY)
    }
}

/// What reading has shown of a list. The IDs add up to those of the list.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// The distinct IDs of the list.
    pub distinct: u64,
    /// In force: a run would revoke them.
    pub active: Alike,
    /// Revoked already.
    pub revoked: Alike,
    /// Shown as `Declined`: they never came into force.
    pub declined: Alike,
    /// Not known in this environment, by two reads.
    pub absent: Alike,
    /// Reading them failed.
    pub unreadable: Alike,
    calls: CallCounts,
    /// Whether a read was answered by what looks like the API.
    answered: bool,
    token: Option<TokenRow>,
    process: ProcessRow,
}

impl Preflight {
    /// What the plan in `folder` has shown; its process has ended.
    ///
    /// # Errors
    /// If the journal cannot be read, or has no process.
    pub fn of(folder: &RunFolder) -> Result<Self, ReportError> {
        let archive = JournalReader::open(&folder.journal())?;
        let facts = archive.facts()?;
        let process = archive.processes()?.pop();
        let process = process.ok_or_else(|| ReportError::DoesNotAddUp {
            run: folder.run().to_string(),
            what: "nothing was read".to_owned(),
        })?;
        let mut survey = Self {
            distinct: facts.rows_distinct,
            active: Alike::default(),
            revoked: Alike::default(),
            declined: Alike::default(),
            absent: Alike::default(),
            unreadable: Alike::default(),
            calls: archive.calls()?,
            answered: false,
            token: archive.last_token()?,
            process,
        };
        archive.each_evidence(survey.process.id, |rows: &[EvidenceRow]| {
            for row in rows {
                survey.found(row.found).add(row.id);
            }
            Ok::<_, ReportError>(())
        })?;
        archive.each_call(|call: CallTiming| {
            let answered = ["found", "not_found"].contains(&call.verdict.as_str());
            survey.answered |= call.kind == "read" && answered;
            Ok::<_, ReportError>(())
        })?;
        if survey.read() + survey.unreadable.ids > survey.distinct || survey.calls.revoke > 0 {
            return Err(ReportError::DoesNotAddUp {
                run: folder.run().to_string(),
                what: "more was read than there is, or something was sent".to_owned(),
            });
        }
        Ok(survey)
    }

    fn found(&mut self, found: Evidence) -> &mut Alike {
        match found {
            Evidence::Active => &mut self.active,
            Evidence::Revoked => &mut self.revoked,
            Evidence::Declined => &mut self.declined,
            Evidence::Absent => &mut self.absent,
            Evidence::Unreadable => &mut self.unreadable,
        }
    }

    /// How many IDs it is known of how they stand.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.active.ids + self.revoked.ids + self.declined.ids + self.absent.ids
    }

    /// How it ends if nothing stops it: the question is answered where every
    /// ID was read, whatever was found.
    #[must_use]
    pub const fn ending(&self) -> Outcome {
        if self.read() == self.distinct {
            Outcome::Complete
        } else {
            Outcome::Partial
        }
    }

    /// IDs that a run would leave as they are.
    const fn idle(&self) -> u64 {
        self.declined.ids + self.absent.ids
    }

    /// What was found at an address, for a terminal.
    pub(super) fn lay(&self, page: &mut TextPage, environment: &str, base_url: &str) {
        let target = match environment {
            "sandbox" => "sandbox, inside the process".to_owned(),
            named => format!("{named}, {}", visible(base_url)),
        };
        page.wrapped("Target   ", "         ", &target);
        page.wrapped("Token    ", "         ", &self.token());
        let took = self
            .process
            .ended
            .map(|end| seconds(self.process.started, end));
        let took = took.map_or_else(String::new, |took| format!(" in {}", duration(took)));
        page.wrapped(
            "Read     ",
            "         ",
            &format!(
                "{} of {}, with {}{took}, which count for the limits",
                number(self.read()),
                ids(self.distinct),
                count(self.calls.read + self.calls.auth, "call", "calls"),
            ),
        );
        let kinds = [
            (&self.active, "active", false),
            (&self.revoked, "revoked already", true),
            (&self.declined, "declined (never came into force)", true),
            (&self.absent, "unknown in this environment", true),
            (&self.unreadable, "unreadable", true),
        ];
        let widest = kinds
            .iter()
            .map(|(alike, ..)| number(alike.ids).len())
            .max();
        let widest = widest.unwrap_or_default();
        for (alike, what, named) in kinds {
            let n = number(alike.ids);
            let first = format!("         {n:>widest$} ");
            let more = if alike.ids > alike.first.len() as u64 {
                ", …"
            } else {
                ""
            };
            let names = match alike.ids {
                0 => String::new(),
                _ if !named => String::new(),
                _ => format!(": {}{more}", joined(&alike.first)),
            };
            // An answer at a glance has the same lines every time.
            let rest = " ".repeat(first.len());
            page.wrapped(&first, &rest, &format!("{what}{names}"));
        }
    }

    fn token(&self) -> String {
        let Some(token) = &self.token else {
            return "none was obtained".to_owned();
        };
        let origin = match token.provenance {
            TokenOrigin::Given => "handed in",
            TokenOrigin::File => "from its file",
            TokenOrigin::Command => "from its command",
            TokenOrigin::Kept => "kept from an earlier log-in",
            TokenOrigin::LogIn => "from a log-in",
            TokenOrigin::Renewal => "renewed",
        };
        let state = match self.process.outcome.as_deref() {
            // When it would have expired is nothing to know.
            Some("unauthorized") if token.expires.is_none() => {
                return format!("{origin}, REFUSED");
            }
            Some("unauthorized") => "REFUSED",
            _ if self.answered => "accepted",
            _ => "not tried with success",
        };
        let until = token.expires.map_or_else(
            || "when it expires is not known".to_owned(),
            |at| format!("valid until {}", moment(at)),
        );
        format!("{origin}, {state}; {until}")
    }

    /// What it comes to, in sentences.
    pub(super) fn verdict(&self, environment: &str, base_url: &str, plan: &Offer) -> Vec<String> {
        let place = place(environment, &visible(base_url));
        let why = visible(&self.process.explanation);
        let left = format!("{} were not read", ids(self.distinct - self.read()));
        let stopped = match self.process.outcome.as_deref() {
            Some("complete" | "partial") => None,
            Some("unauthorized") => Some("the token or log-in was refused"),
            Some("deferred") => Some("a wait does not fit"),
            Some("stopped") => Some("what was read does not look right"),
            Some("error") => Some("an internal error"),
            _ => Some("a signal stopped it"),
        };
        if let Some(what) = stopped {
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {why}")
            };
            return vec![format!("NOT READY {place}, {what}{why}. {left}.")];
        }
        let mut lines = vec![self.expected(plan)];
        if self.unreadable.ids > 0 {
            lines.push(format!(
                "WARNING: {} could not be read: their state is not known.",
                ids(self.unreadable.ids)
            ));
        }
        let warnings = [
            (
                &self.absent,
                format!("not known {place}: is it the right environment, and the right column?"),
            ),
            (
                &self.revoked,
                "revoked already: is it an old list?".to_owned(),
            ),
        ];
        for (alike, words) in warnings {
            if alike.are_many_of(self.distinct) {
                let percent = alike.ids * 100 / self.distinct.max(1);
                lines.push(format!("WARNING: {percent}% of the IDs are {words}"));
            }
        }
        if self.revoked.ids > 0 {
            lines.push(if plan.read_first {
                "No revocation is spent on what is revoked already (--read-first).".to_owned()
            } else {
                "--read-first would spend no revocation on what is revoked already.".to_owned()
            });
        }
        lines
    }

    fn expected(&self, plan: &Offer) -> String {
        let mut tail = Vec::new();
        if self.idle() > 0 {
            tail.push(format!("{} cannot be revoked", ids(self.idle())));
        }
        if plan.invalid > 0 {
            let rows = count(plan.invalid, "invalid row", "invalid rows");
            tail.push(format!("{rows} would be left out"));
        }
        let end = if tail.is_empty() {
            "and nothing speaks against exit code 0".to_owned()
        } else {
            format!("and end with exit code 3 at best: {}", tail.join(", "))
        };
        format!("A run would revoke {}, {end}.", ids(self.active.ids))
    }
}

/// What else of the plan the verdict depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) invalid: u64,
    pub(super) read_first: bool,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::journal::Waited;
    use crate::report::Style;

    fn alike(ids: u64, first: &[i64]) -> Alike {
        Alike {
            ids,
            first: first
                .iter()
                .map(|id| PermissionId::try_from(*id).unwrap())
                .collect(),
        }
    }

    fn survey(outcome: &str, explanation: &str) -> Preflight {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        Preflight {
            distinct: 4017,
            active: alike(3980, &[7, 8, 9]),
            revoked: alike(25, &[1001, 1002, 1003]),
            declined: alike(0, &[]),
            absent: alike(12, &[1_520_190_410, 1_520_190_411, 1_520_190_412]),
            unreadable: alike(0, &[]),
            calls: CallCounts {
                revoke: 0,
                read: 53,
                auth: 1,
            },
            answered: true,
            token: Some(TokenRow {
                provenance: TokenOrigin::LogIn,
                borne: at("2026-11-24T16:00:00Z"),
                expires: Some(at("2026-11-24T17:20:00Z")),
            }),
            process: ProcessRow {
                id: 1,
                command: "plan --online".into(),
                started: at("2026-11-24T16:00:00Z"),
                ended: Some(at("2026-11-24T16:00:48Z")),
                outcome: Some(outcome.into()),
                exit_code: Some(0),
                explanation: explanation.into(),
                pid: 1,
                host: "vm".into(),
                operator: "ops".into(),
                version: "0".into(),
                settings: "{}".into(),
                waited: Waited::default(),
                resume_at: None,
            },
        }
    }

    const OFFER: Offer = Offer {
        invalid: 0,
        read_first: false,
    };

    #[test]
    fn the_questions_of_the_afternoon_are_answered_at_a_glance() {
        let mut page = TextPage::new(Style::PLAIN);
        let url = "https://demo.tradovateapi.com/v1";
        survey("complete", "").lay(&mut page, "demo", url);
        assert_eq!(
            page.text,
            "\
Target   demo, https://demo.tradovateapi.com/v1
Token    from a log-in, accepted; valid until 2026-11-24 17:20:00 UTC
Read     4,017 of 4,017 IDs, with 54 calls in 48.0s, which count for the limits
         3,980 active
            25 revoked already: 1001, 1002, 1003, …
             0 declined (never came into force)
            12 unknown in this environment: 1520190410, 1520190411, 1520190412, …
             0 unreadable
"
        );
    }

    #[test]
    fn many_unknown_or_revoked_ids_give_a_warning_few_do_not() {
        let verdict = |survey: &Preflight, offer| survey.verdict("demo", "", &offer);
        let mut survey = survey("complete", "");
        assert_eq!(
            verdict(&survey, OFFER),
            [
                "A run would revoke 3,980 IDs, and end with exit code 3 at best: 12 IDs cannot be \
                 revoked.",
                "--read-first would spend no revocation on what is revoked already.",
            ]
        );
        survey.active = alike(3000, &[]);
        survey.absent = alike(400, &[1]);
        survey.revoked = alike(617, &[2]);
        let lines = verdict(
            &survey,
            Offer {
                invalid: 2,
                read_first: true,
            },
        );
        assert!(lines[0].ends_with("400 IDs cannot be revoked, 2 invalid rows would be left out."));
        assert_eq!(
            lines[1..],
            [
                "WARNING: 9% of the IDs are not known on DEMO: is it the right environment, and \
                 the right column?",
                "WARNING: 15% of the IDs are revoked already: is it an old list?",
                "No revocation is spent on what is revoked already (--read-first).",
            ]
        );
        survey.active = alike(4017, &[]);
        (survey.absent, survey.revoked) = (Alike::default(), Alike::default());
        assert_eq!(
            verdict(&survey, OFFER),
            ["A run would revoke 4,017 IDs, and nothing speaks against exit code 0."]
        );
    }

    #[test]
    fn what_stopped_it_is_said_and_how_much_was_not_read() {
        let mut survey = survey("unauthorized", "the API refused the log-in");
        survey.active = alike(0, &[]);
        assert_eq!(
            survey.verdict("live", "", &OFFER),
            [
                "NOT READY on LIVE, the token or log-in was refused: the API refused the log-in. \
                 3,980 IDs were not read."
            ]
        );
        assert!(survey.token().contains("REFUSED"));
        assert!(!survey.token().contains("not known"));
        assert_eq!(survey.ending(), Outcome::Partial);
    }
}
