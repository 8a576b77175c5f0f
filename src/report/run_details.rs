//! The particulars of one run: what it is, who carried it out and with which
//! settings, and which files it has. What became of its IDs is the report's.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::listing::{other_states, outcome};
use super::process_outcome::how_a_process_ended;
use super::runs::RunStatus;
use super::serialize::{optional_time, time};
use super::text::TextPage;
use super::{ReportError, Style, WaitTotals, json};
use crate::journal::{HoldRow, JournalReader, ProcessRow, RunFolder, State};
use crate::report::approvals::BreachFigures;
use crate::report::format::{
    column, count, duration, ids, ids_are, moment, number, seconds, size, visible,
};
use crate::report::text_table::{Cell, Column, Grid};

/// The particulars of a run. Text from outside is on one line and free of
/// control characters.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunDetails {
    /// The run's ID.
    pub run: String,
    /// Its folder.
    pub folder: PathBuf,
    /// When its list was frozen.
    #[serde(rename = "frozen_at", serialize_with = "time")]
    pub frozen: Timestamp,
    /// IDs in a batch.
    pub batch_size: u64,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: RunStatus,
    /// The processes that ran or resumed it, oldest first.
    pub processes: Vec<ProcessFigures>,
    /// The waits that stopped every call, oldest first.
    pub holds: Vec<HoldFigures>,
    /// What guards found, in the order in which they did.
    pub breaches: Vec<BreachFigures>,
    /// What is in its folder, by name.
    pub files: Vec<FileFigures>,
}

/// A process that ran or resumed a run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ProcessFigures {
    /// `run`, `resume` or `verify`.
    pub command: String,
    /// When it started.
    #[serde(rename = "started_at", serialize_with = "time")]
    pub started: Timestamp,
    /// When it ended, if it said so.
    #[serde(rename = "ended_at", serialize_with = "optional_time")]
    pub ended: Option<Timestamp>,
    /// How it ended, in a word; `running` while it goes on.
    pub outcome: String,
    /// Its exit code, if it has one.
    pub exit_code: Option<u8>,
    /// A sentence on why it ended so; may be empty.
    pub explanation: String,
    /// The user's name.
    pub operator: String,
    /// The host's name.
    pub host: String,
    /// Its process ID.
    pub pid: u32,
    /// The program's version.
    pub version: String,
    /// Time it waited, in seconds.
    pub waited: WaitTotals,
    /// Its settings that differ from the defaults, by name.
    #[serde(serialize_with = "by_name")]
    pub settings: Vec<(String, String)>,
}

/// A wait that stopped every call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct HoldFigures {
    /// `penalty`, `lockout` or `window`.
    pub cause: String,
    /// What more is known of it, as `captcha`, `429` or the window's name; may
    /// be empty.
    pub detail: String,
    /// Both, for people.
    #[serde(skip)]
    words: String,
    /// When it began.
    #[serde(rename = "began_at", serialize_with = "time")]
    pub began: Timestamp,
    /// Until when.
    #[serde(serialize_with = "time")]
    pub until: Timestamp,
}

/// A file of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FileFigures {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

impl RunDetails {
    /// The particulars of the run in `folder`. `live` says that some process
    /// goes on with it; `changed` picks the settings that differ from the
    /// defaults out of what a process has recorded.
    ///
    /// # Errors
    /// If the journal or the folder cannot be read.
    pub fn of(
        folder: &RunFolder,
        live: bool,
        changed: impl Fn(&str) -> Vec<(String, String)>,
    ) -> Result<Self, ReportError> {
        let archive = JournalReader::open(&folder.journal())?;
        let facts = archive.facts()?;
        let rows = archive.processes()?;
        let standing = RunStatus::told(&archive, &facts, &rows, live)?;
        let last = rows.len();
        let processes = (1..).zip(&rows);
        let processes = processes.map(|(nth, row)| {
            let settings = changed(&row.settings);
            ProcessFigures::of(row, live && nth == last, settings)
        });
        Ok(Self {
            run: folder.run().to_string(),
            folder: folder.path().to_owned(),
            frozen: facts.created,
            batch_size: facts.batch_size,
            standing,
            processes: processes.collect(),
            holds: archive.holds()?.iter().map(HoldFigures::of).collect(),
            breaches: archive
                .breaches()?
                .0
                .iter()
                .map(BreachFigures::of)
                .collect(),
            files: files(folder)?,
        })
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        json::pretty(self)
    }

    /// For a terminal.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let mut page = TextPage::new(style);
        for (label, value) in self.facts() {
            page.wrapped(&format!("{label:<9}"), "         ", &value);
        }
        page.heading("Processes");
        if self.processes.is_empty() {
            page.line("  none has taken it up yet");
        } else {
            self.lay_processes(&mut page);
        }
        if !self.holds.is_empty() {
            page.heading("Holds");
            let mut grid = Grid::new(&[
                Column::left("CAUSE"),
                Column::left("BEGAN"),
                Column::left("UNTIL"),
                Column::right("LENGTH"),
            ]);
            for hold in &self.holds {
                grid.row(vec![
                    hold.words.clone().into(),
                    moment(hold.began).into(),
                    moment(hold.until).into(),
                    duration(seconds(hold.began, hold.until)).into(),
                ]);
            }
            grid.lay(&mut page, 2);
        }
        if !self.breaches.is_empty() {
            page.heading("Guards");
            for breach in &self.breaches {
                let released = match &breach.approved {
                    None => "HOLDS the run".to_owned(),
                    Some(approval) => format!(
                        "approved {} by {} on {}",
                        moment(approval.at),
                        approval.operator,
                        approval.host
                    ),
                };
                page.wrapped("  ", "    ", &format!("{}: {released}", breach.what));
            }
        }
        page.heading("Settings of the last process that are not the defaults");
        match self.processes.last().map(|last| last.settings.as_slice()) {
            None | Some([]) => page.line("  none"),
            Some(settings) => {
                let widest = settings.iter().map(|(name, _)| name.len()).max();
                let widest = widest.unwrap_or(0);
                let indent = " ".repeat(widest + 4);
                for (name, value) in settings {
                    page.wrapped(&format!("  {name:<widest$}  "), &indent, value);
                }
            }
        }
        page.heading("Files");
        self.lay_files(&mut page);
        page.text
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let standing = &self.standing;
        let rows = standing.rows;
        let input = match standing.input.path.as_str() {
            "-" => "standard input",
            path => path,
        };
        let mut facts = vec![
            ("Run", self.run.clone()),
            (
                "Folder",
                visible(&self.folder.to_string_lossy()).into_owned(),
            ),
            (
                "Target",
                match (standing.environment.as_str(), standing.base_url.as_str()) {
                    ("sandbox", _) => "sandbox, inside the process".to_owned(),
                    (environment, url) => format!("{environment} at {url}"),
                },
            ),
            (
                "List",
                format!("{input}, {}", column(&standing.input.column)),
            ),
            ("SHA-256", standing.input.sha256.clone()),
            (
                "Frozen",
                format!(
                    "{}, as {} of up to {}",
                    moment(self.frozen),
                    count(standing.batches, "batch", "batches"),
                    ids(self.batch_size)
                ),
            ),
            (
                "Rows",
                format!(
                    "{} = {} distinct + {} + {} invalid",
                    number(rows.total),
                    number(rows.distinct),
                    count(rows.duplicate, "duplicate", "duplicates"),
                    number(rows.invalid)
                ),
            ),
            ("IDs", self.states()),
            (
                "Calls",
                format!(
                    "{} = {} + {} + {}",
                    number(standing.requests.total()),
                    count(standing.requests.revoke, "revocation", "revocations"),
                    count(standing.requests.read, "read", "reads"),
                    count(
                        standing.requests.auth,
                        "log-in or renewal",
                        "log-ins or renewals"
                    ),
                ),
            ),
        ];
        if !standing.note.is_empty() {
            facts.push(("Note", standing.note.clone()));
        }
        facts
    }

    fn states(&self) -> String {
        let standing = &self.standing;
        let others = other_states(&standing.ids);
        let mut states = format!("{} revoked", number(standing.ids.of(State::Revoked)));
        if !others.is_empty() {
            states = format!("{states}, {others}");
        }
        let unfinished = match standing.owed {
            _ if standing.finished => String::new(),
            0 => "; not finished".to_owned(),
            owed => format!("; not finished, {} still to be read back", ids_are(owed)),
        };
        states + &unfinished
    }

    fn lay_processes(&self, page: &mut TextPage) {
        let mut grid = Grid::new(&[
            Column::left("COMMAND"),
            Column::left("STARTED"),
            Column::right("DURATION"),
            Column::left("OUTCOME"),
            Column::left("BY"),
            Column::right("PROCESS").spare(1),
            Column::left("VERSION").spare(2),
        ]);
        for process in &self.processes {
            let took = process.ended.map_or_else(
                || "-".to_owned(),
                |ended| duration(seconds(process.started, ended)),
            );
            grid.row(vec![
                process.command.clone().into(),
                moment(process.started).into(),
                took.into(),
                outcome(&process.outcome, process.exit_code),
                format!("{}@{}", process.operator, process.host).into(),
                process.pid.to_string().into(),
                process.version.clone().into(),
            ]);
        }
        grid.lay(page, 2);
        for process in &self.processes {
            if !process.explanation.is_empty() {
                let said = format!("{}: {}", process.command, process.explanation);
                page.wrapped("  ", "    ", &said);
            }
        }
    }

    fn lay_files(&self, page: &mut TextPage) {
        let mut grid = Grid::new(&[Column::left("NAME"), Column::right("SIZE")]);
        let total: u64 = self.files.iter().map(|file| file.bytes).sum();
        for file in &self.files {
            grid.row(vec![file.name.clone().into(), size(file.bytes).into()]);
        }
        let row: [Cell; 2] = ["together".into(), size(total).into()];
        grid.row(row.into());
        grid.lay(page, 2);
    }
}

impl ProcessFigures {
    fn of(row: &ProcessRow, live: bool, settings: Vec<(String, String)>) -> Self {
        let shown = |text: &str| visible(text).into_owned();
        let (outcome, exit_code) = how_a_process_ended(Some(row), live);
        let settings = settings.into_iter();
        Self {
            command: shown(&row.command),
            started: row.started,
            ended: row.ended,
            outcome,
            exit_code,
            explanation: shown(&row.explanation),
            operator: shown(&row.operator),
            host: shown(&row.host),
            pid: row.pid,
            version: shown(&row.version),
            waited: WaitTotals::of(std::slice::from_ref(row)),
            settings: settings
                .map(|(name, value)| (shown(&name), shown(&value)))
                .collect(),
        }
    }
}

impl HoldFigures {
    fn of(row: &HoldRow) -> Self {
        Self {
            cause: visible(&row.cause).into_owned(),
            detail: visible(&row.detail).into_owned(),
            words: visible(&row.in_words()).into_owned(),
            began: row.began,
            until: row.until,
        }
    }
}

fn files(folder: &RunFolder) -> Result<Vec<FileFigures>, ReportError> {
    let failed = || ReportError::file("list", folder.path());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.path()).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        // A file that is just being replaced may be gone.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        files.push(FileFigures {
            name: visible(&name.to_string_lossy()).into_owned(),
            bytes: found.len(),
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn by_name<S: Serializer>(settings: &[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(settings.len()))?;
    for (name, value) in settings {
        map.serialize_entry(name, value)?;
    }
    map.end()
}
