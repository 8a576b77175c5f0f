//! The figures for programs.

use super::Summary;

/// `summary.json`: pretty, with a line feed at its end.
pub(super) fn json(summary: &Summary) -> String {
    let mut text = serde_json::to_string_pretty(summary)
        .unwrap_or_else(|error| unreachable!("figures and text are JSON: {error}"));
    text.push('\n');
    text
}
