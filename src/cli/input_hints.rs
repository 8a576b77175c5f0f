//! What a person is told of a list that cannot be read, or of which too much
//! is invalid: what is wrong, where, and what to do.

use rescind::list::{FileType, Frozen, Input, ListCounts, ListError, Rejection};
use rescind::report::{PlannedReject, visible};

use crate::cli::error::CliError;

/// So many of the invalid rows are shown.
const SHOWN: usize = 5;

/// The first of a list's invalid rows, to be shown.
#[derive(Debug, Default)]
pub(super) struct Invalid(pub(super) Vec<PlannedReject>);

impl Invalid {
    /// Takes note of what freezing hands on.
    pub(super) fn note(&mut self, frozen: &Frozen<'_>) {
        if let Frozen::Reject {
            line,
            value,
            reason: reason @ Rejection::Invalid(_),
        } = frozen
            && self.0.len() < SHOWN
        {
            self.0.push(PlannedReject {
                line: *line,
                value: (*value).to_owned(),
                reason: reason.to_string(),
            });
        }
    }

    /// Refuses a list with more invalid rows than `limit` percent.
    pub(super) fn check(
        &self,
        census: &ListCounts,
        input: &Input,
        limit: f64,
    ) -> Result<(), CliError> {
        if census.invalid_percent() <= limit {
            return Ok(());
        }
        let mut problem = CliError::usage(format!(
            "{} of {} rows of {input} hold no permission ID ({:.1}%, the limit is {limit}%); nothing was sent",
            census.invalid,
            census.total,
            census.invalid_percent(),
        ))
        .hint(Self::advice(census));
        let shown = self.0.iter().map(
            |PlannedReject {
                 line,
                 value,
                 reason,
             }| { format!("line {line}: \"{value}\" {reason}") },
        );
        problem.causes.extend(shown);
        let more = census.invalid - self.0.len() as u64;
        if more > 0 && !self.0.is_empty() {
            problem.causes.push(format!("and {more} more"));
        }
        Err(problem)
    }

    /// As [`Invalid::check`], where the rows are shown already.
    pub(super) fn check_shown(
        &self,
        census: &ListCounts,
        input: &Input,
        limit: f64,
    ) -> Result<(), CliError> {
        self.check(census, input, limit)
            .map_err(|problem| CliError {
                causes: Vec::new(),
                ..problem
            })
    }

    fn advice(census: &ListCounts) -> String {
        let column = visible(&census.column);
        if column.starts_with('#') {
            return format!(
                "the first line is read as the header; if it is a comment ({column}), take it out"
            );
        }
        format!(
            "is it the right file, and is {column} the right column? --max-invalid raises the limit"
        )
    }
}

/// A list that cannot be read, and what to do about it.
pub(super) fn unreadable(error: &ListError) -> CliError {
    CliError::usage("the list cannot be read")
        .caused_by(error)
        .hint(advice(error))
}

fn advice(error: &ListError) -> &'static str {
    match error {
        ListError::NotFound { .. } => "look at the path; - reads standard input",
        ListError::Directory { .. } => "name the file in it",
        ListError::Denied { .. } => "let this user read the file and enter its folders",
        ListError::Open { .. } | ListError::Read { .. } => {
            "copy the file to a local disk and try again"
        }
        ListError::CutOff { .. } => "fetch or export it again: a transfer may have broken off",
        ListError::Damaged { .. } => {
            "fetch it again; or unpack it by hand, and give what comes out"
        }
        ListError::Bomb { .. } => {
            "look at what it holds; if it is a list all the same, unpack it by hand and give that"
        }
        ListError::Foreign { foreign, .. } => instead_of(*foreign),
        ListError::Changed { .. } => {
            "wait until it is written completely, or give a copy that nothing writes to"
        }
        ListError::Endless { .. } | ListError::NoIds { .. } => {
            "look at what writes it; what has no end is no list, and a longer list can be a file"
        }
        ListError::EndlessLine { .. } => "look at how it begins: it may be no text at all",
        ListError::DamagedHeader { .. } => "close the quote, or take it out",
        ListError::LongHeader { .. } => {
            "look at how it begins; export the column with the IDs alone"
        }
        ListError::NoHeader { .. } => {
            "add a first line that names the columns, or leave --id-column out"
        }
        ListError::NoNames { .. } => {
            "add a first line that names the columns, with permissionId for the IDs; \
             or give one ID a line and nothing else"
        }
        ListError::NoSuchColumn { .. }
        | ListError::AmbiguousColumn { .. }
        | ListError::UnknownColumn { .. } => {
            "name the column that holds the permission IDs with --id-column"
        }
    }
}

fn instead_of(foreign: FileType) -> &'static str {
    match foreign {
        FileType::Zip | FileType::Workbook => {
            "save the sheet with the IDs as CSV UTF-8, with the column of the IDs as text"
        }
        FileType::WebPage => {
            "open it in a browser: it may be a log-in or error page that was saved in place of the list"
        }
        FileType::Pdf | FileType::Database | FileType::Json => {
            "export the IDs as CSV: a line permissionId, then one ID a line"
        }
    }
}
