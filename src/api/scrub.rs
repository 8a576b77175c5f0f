//! Striking secrets out of what a server says: its words are recorded, and it
//! may repeat what it was sent.

use std::borrow::Cow;

use memchr::memmem;
use secrecy::zeroize::Zeroizing;

/// `text` with every secret in it replaced by `***`, as it stands, as JSON
/// writes it, and as JSON writes JSON that is quoted.
pub(super) fn scrub<'a, 's>(
    text: &'a [u8],
    secrets: impl IntoIterator<Item = &'s str>,
) -> Cow<'a, [u8]> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets {
        let forms = std::iter::successors(Some(Zeroizing::new(secret.to_owned())), escaped);
        for form in forms.take(3) {
            if let Some(struck) = strike(&text, form.as_bytes()) {
                text = Cow::Owned(struck);
            }
        }
    }
    text
}

/// What stands between the quotes where JSON writes a text, if that is
/// another text.
fn escaped(text: &Zeroizing<String>) -> Option<Zeroizing<String>> {
    let quoted = Zeroizing::new(serde_json::to_string(text.as_str()).ok()?);
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (inside != text.as_str()).then(|| Zeroizing::new(inside.to_owned()))
}

fn strike(text: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    if secret.is_empty() {
        return None;
    }
    let finder = memmem::Finder::new(secret);
    finder.find(text)?;
    let mut struck = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = finder.find(rest) {
        struck.extend_from_slice(&rest[..at]);
        struck.extend_from_slice(b"***");
        rest = &rest[at + secret.len()..];
    }
    struck.extend_from_slice(rest);
    Some(struck)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_struck_out_wherever_it_stands() {
        for (text, expected) in [
            ("", ""),
            ("nothing to hide", "nothing to hide"),
            ("one", "***"),
            ("one two; onetwo, one", "*** ***; ******, ***"),
            (r#"{"a":"q\"u\\o"}"#, r#"{"a":"***"}"#),
            (r#"q"u\o"#, "***"),
            (
                r#"{"e":"{\"a\":\"q\\\"u\\\\o\"}"}"#,
                r#"{"e":"{\"a\":\"***\"}"}"#,
            ),
        ] {
            let secrets = ["one", "two", "q\"u\\o", ""];
            let scrubbed = scrub(text.as_bytes(), secrets);
            assert_eq!(std::str::from_utf8(&scrubbed).unwrap(), expected);
        }
    }
}
