//! The figures for programs.

use serde::Serialize;

use super::Summary;

/// `summary.json`.
pub(super) fn json(summary: &Summary) -> String {
    pretty(summary)
}

/// Pretty JSON, with a line feed at its end.
pub(super) fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value)
        .unwrap_or_else(|error| unreachable!("figures and text are JSON: {error}"));
    text.push('\n');
    text
}
