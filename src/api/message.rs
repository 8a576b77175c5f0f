//! Making text from outside fit to be recorded and shown: one line, no
//! control characters, limited in length. It is still text and never markup;
//! whoever puts it into HTML or CSV escapes it there.

/// The longest message that is recorded, in characters, its ellipsis
/// included. The API's own limit for `errorText` is 8192.
const LONGEST: usize = 500;

/// `text` on one line: runs of blanks and line breaks become one blank, and
/// whatever could steer a terminal or turn text around becomes U+FFFD.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    let mut length = 0;
    for word in text.split_whitespace() {
        for c in (length > 0).then_some(' ').into_iter().chain(word.chars()) {
            if length == LONGEST {
                line.pop();
                line.push('…');
                return line;
            }
            line.push(if steers(c) { '\u{FFFD}' } else { c });
            length += 1;
        }
    }
    line
}

/// Control characters (escape sequences among them), and the characters that
/// are unseen or change the direction of what follows.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{FEFF}')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FFF9}'..='\u{FFFB}')
        || matches!(c, '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_that_steers_no_terminal() {
        for (text, expected) in [
            ("", ""),
            ("  \n ", ""),
            ("plain, ünïcödé 漢字", "plain, ünïcödé 漢字"),
            ("two\r\n  lines\tand a tab", "two lines and a tab"),
            ("\u{1b}[31mred\u{7}\0", "\u{FFFD}[31mred\u{FFFD}\u{FFFD}"),
            ("\u{9b}31m \u{7f}", "\u{FFFD}31m \u{FFFD}"),
            ("a\u{2028}b\u{85}c", "a b c"),
            ("\u{202e}gnp.exe", "\u{FFFD}gnp.exe"),
            ("<script>", "<script>"),
        ] {
            assert_eq!(one_line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let fits = "é".repeat(LONGEST);
        assert_eq!(one_line(&fits), fits);
        let cut = one_line(&format!("{fits}é"));
        assert_eq!(cut.chars().count(), LONGEST);
        assert_eq!(cut, format!("{}…", "é".repeat(LONGEST - 1)));
    }
}
