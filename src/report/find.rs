//! What the runs know of single permissions, for a terminal.

use super::Style;
use super::search::{Before, CallFigures, PermissionFate, PermissionHistory, RunHit, Search};
use super::text::TextPage;
use crate::journal::State;
use crate::report::format::{column, count, duration, meaning, moment, number, place};
use crate::report::text_table::{Column, Grid};
use crate::report::tone::Tone;

impl Search {
    /// For a terminal.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let mut page = TextPage::new(style);
        for (index, permission) in self.permissions.iter().enumerate() {
            if index > 0 {
                page.line("");
            }
            self.permission(&mut page, permission);
        }
        if !self.unreadable.is_empty() {
            let n = count(self.unreadable.len() as u64, "run", "runs");
            page.heading(&format!("Not looked through: {n}"));
            for unreadable in &self.unreadable {
                let said = format!("{}: {}", unreadable.run, unreadable.error);
                page.wrapped("  ", "    ", &said);
            }
        }
        page.text
    }

    fn permission(&self, page: &mut TextPage, permission: &PermissionHistory) {
        let id = permission.permission_id;
        let readable = if self.unreadable.is_empty() {
            ""
        } else {
            " that can be read"
        };
        let runs = count(self.searched, "run", "runs");
        let all = match (self.searched, permission.runs.len() as u64) {
            (0, _) => format!("there is no run{readable} to look through"),
            (_, 0) => format!("in none of {runs}{readable}"),
            (_, n) => format!("in {} of {runs}{readable}", number(n)),
        };
        page.bold(&format!("{id}: {all}"));
        for mention in &permission.runs {
            page.line("");
            mention.lay(page);
        }
    }
}

impl RunHit {
    fn lay(&self, page: &mut TextPage) {
        let place = place(&self.environment, &self.base_url);
        let list = match self.input.path.as_str() {
            "-" => "standard input",
            path => path,
        };
        let list = format!("{list}, {}", column(&self.input.column));
        if let Some(fate) = &self.fate {
            let reason = match fate.reason.as_str() {
                "" => String::new(),
                reason => format!(" [{reason}]"),
            };
            let said = format!(
                "{} {place}: {}, {}{reason}",
                self.run,
                fate.state.word().replace('_', " "),
                meaning(fate.state, &fate.reason)
            );
            page.toned(&said, fate.tone());
            let told = fate.calls.iter().any(|call| call.message == fate.message);
            if !fate.message.is_empty() && !told {
                page.wrapped("  ", "    ", &format!("“{}”", fate.message));
            }
            page.wrapped("  ", "    ", &format!("line {} of {list}", fate.line));
            fate.lay(page);
        } else {
            let said = format!(
                "{} {place}: never sent, for no row gave it as an ID",
                self.run
            );
            page.toned(&said, Tone::Wary);
            page.wrapped("  ", "    ", &format!("the list was {list}"));
        }
        for row in &self.rejected {
            let said = match row.reason.as_str() {
                "duplicate" => format!("line {} repeats it", row.line),
                reason => format!("line {} was left out, {reason}: “{}”", row.line, row.value),
            };
            page.wrapped("  ", "    ", &said);
        }
    }
}

impl PermissionFate {
    fn tone(&self) -> Tone {
        match self.state {
            State::Revoked if self.verified == "active" => Tone::Bad,
            State::Revoked => Tone::Good,
            State::Pending | State::InFlight => Tone::Wary,
            _ => Tone::Bad,
        }
    }

    fn lay(&self, page: &mut TextPage) {
        let mut batch = format!("batch {}", self.batch);
        if !self.divided.is_empty() {
            batch = format!("{batch}, what {} came to", self.divided.join(" and "));
        }
        let times = match (self.first_sent, self.settled) {
            (None, _) => "; not sent".to_owned(),
            (Some(sent), None) => format!("; first sent {}", moment(sent)),
            (Some(sent), Some(settled)) => {
                format!("; first sent {}, settled {}", moment(sent), moment(settled))
            }
        };
        page.wrapped("  ", "    ", &(batch + &times));
        if let Some(before) = &self.before {
            page.wrapped("  ", "    ", &before.words());
        }
        if self.first_sent.is_some() || self.reason == "declined" {
            page.wrapped("  ", "    ", self.proof());
        }
        if !self.calls.is_empty() {
            self.lay_calls(page);
        }
    }

    /// What a read showed.
    fn proof(&self) -> &'static str {
        match self.verified {
            // It is only by reading that this comes out.
            _ if self.reason == "declined" => "read: shown as Declined",
            "revoked" => "read back: shown as Revoked",
            "active" => "read back: shown as not revoked",
            "absent" => "read back: not known to the API, by two reads",
            "unreadable" => "reading it back failed",
            _ if self.owed => "still to be read back",
            _ => "not read back",
        }
    }

    fn lay_calls(&self, page: &mut TextPage) {
        let mut grid = Grid::new(&[
            Column::left("CALLED"),
            Column::left("BATCH"),
            Column::right("IDS"),
            Column::left("ANSWER"),
            Column::left("JUDGED"),
            Column::right("TOOK").spare(1),
        ]);
        for call in &self.calls {
            grid.row(vec![
                moment(call.recorded).into(),
                call.batch.clone().into(),
                number(call.ids).into(),
                call.answer().into(),
                call.verdict.clone().into(),
                call.took().into(),
            ]);
        }
        grid.lay(page, 2);
        for call in self.calls.iter().filter(|call| !call.message.is_empty()) {
            let said = format!("batch {}: “{}”", call.batch, call.message);
            page.wrapped("    ", "      ", &said);
        }
    }
}

impl Before {
    fn words(&self) -> String {
        let of = |what: &str, id: Option<i64>| {
            id.map_or_else(String::new, |id| format!(", {what} {id}"))
        };
        format!(
            "before: shown as {}{}{}",
            self.status,
            of("account", self.account_id),
            of("user", self.user_id)
        )
    }
}

impl CallFigures {
    fn answer(&self) -> String {
        match (self.http_status, self.answered) {
            (Some(status), _) => format!("HTTP {status}"),
            (None, Some(_)) => "none".to_owned(),
            (None, None) => "not recorded".to_owned(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of one call")]
    fn took(&self) -> String {
        let took = self.elapsed_ms.map(|ms| duration(ms as f64 / 1_000.0));
        took.unwrap_or_else(|| "-".to_owned())
    }
}
