//! The report for a ticket or a chat: Markdown that shows text from outside
//! and never obeys it.

use std::fmt::Write as _;

use super::Summary;
use super::text::{joined, lines};
use crate::journal::RunFolder;
use crate::report::format::{meaning, number};
use crate::report::report_model::Review;

pub(super) fn markdown(summary: &Summary, folder: &RunFolder) -> String {
    let review = Review::of(summary, folder);
    let mut page = format!("# {}\n\n", escaped(&review.headline));
    for answer in &review.answers {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(page, "{}  ", escaped(answer));
    }
    page.push_str("\n| | |\n|---|---|\n");
    for (label, value) in &review.facts {
        // Paths, names, notes: as code, or a forge would link what looks like
        // an address, and call whoever is called like a name.
        let _ = writeln!(page, "| {label} | {} |", code(value).replace('|', "\\|"));
    }
    section(&mut page, "Accounting", &review.accounting);
    if !summary.outcomes.is_empty() {
        page.push_str("\n## Outcomes\n\n| IDs | state | reason | meaning | batches | for example |\n|---:|---|---|---|---:|---|\n");
    }
    for figures in &summary.outcomes {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            number(figures.ids),
            escaped(figures.state.word()),
            escaped(&figures.reason),
            escaped(&meaning(figures.state, &figures.reason)),
            number(figures.batches),
            joined(&figures.samples),
        );
    }
    let told: Vec<String> = summary
        .outcomes
        .iter()
        .filter(|figures| !figures.message.is_empty())
        .map(|figures| {
            let others = if figures.other_messages {
                " (and other words)"
            } else {
                ""
            };
            format!(
                "{} {} [{}]: {}{others}",
                number(figures.ids),
                escaped(figures.state.word()),
                escaped(&figures.reason),
                code(&figures.message)
            )
        })
        .collect();
    if !told.is_empty() {
        page.push_str("\nWhat was said:\n\n");
        for words in told {
            let _ = writeln!(page, "- {words}");
        }
    }
    let rejected: Vec<String> = summary
        .rejected
        .iter()
        .map(|figures| {
            format!(
                "{} {} ({})",
                number(figures.rows),
                figures.reason,
                lines(figures)
            )
        })
        .collect();
    if !rejected.is_empty() {
        section(&mut page, "Rows that gave no ID to send", &rejected);
    }
    section(&mut page, "Work", &review.work);
    section(&mut page, "Proof", &review.proof);
    page.push_str("\n## Next\n\n");
    for step in &review.next {
        let _ = writeln!(page, "- {}: {}", code(&step.what), escaped(&step.why));
    }
    page
}

fn section(page: &mut String, heading: &str, lines: &[String]) {
    let _ = writeln!(page, "\n## {heading}\n");
    for line in lines {
        let _ = writeln!(page, "- {}", escaped(line));
    }
}

/// Text that means nothing to Markdown, nor to HTML where that is let
/// through. It may still be taken for a name or an address by a forge, which
/// looks at what is shown: a sign without width breaks those up.
fn escaped(text: &str) -> String {
    const BREAK: &str = "&#8203;";
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => {
                shown.push('\\');
                shown.push(c);
            }
            '#' => {
                shown.push_str("\\#");
                shown.push_str(BREAK);
            }
            '@' => {
                shown.push(c);
                shown.push_str(BREAK);
            }
            c => shown.push(c),
        }
    }
    for address in ["://", "www."] {
        let (first, rest) = address.split_at(1);
        shown = shown.replace(address, &format!("{first}{BREAK}{rest}"));
    }
    shown
}

/// Text as code, where nothing is a link, a mention or markup.
fn code(text: &str) -> String {
    // A fence longer than any run of the same sign in it cannot be closed
    // from within.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_no_markup() {
        assert_eq!(
            escaped("<script>a|b</script> [x](y) **z**"),
            "&lt;script&gt;a\\|b&lt;/script&gt; \\[x\\](y) \\*\\*z\\*\\*"
        );
        assert_eq!(
            escaped("@ops #7 https://x www.x $y$"),
            "@&#8203;ops \\#&#8203;7 https:&#8203;//x w&#8203;ww.x \\$y\\$"
        );
        assert_eq!(code("<b>"), "`<b>`");
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
    }
}
