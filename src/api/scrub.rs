//! Striking secrets out of what a server says: its words are recorded, and it
//! may repeat what it was sent.

use std::borrow::Cow;

use memchr::memmem;

/// `text` with every secret in it replaced by `***`, as it stands or as JSON
/// writes it.
pub(super) fn scrub<'a, 's>(
    text: &'a [u8],
    secrets: impl IntoIterator<Item = &'s str>,
) -> Cow<'a, [u8]> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets {
        for form in [Some(Cow::Borrowed(secret)), escaped(secret)] {
            if let Some(struck) = form.and_then(|form| strike(&text, form.as_bytes())) {
                text = Cow::Owned(struck);
            }
        }
    }
    text
}

/// A secret between the quotes of JSON, if that is another text.
fn escaped(secret: &str) -> Option<Cow<'_, str>> {
    let quoted = serde_json::to_string(secret).ok()?;
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (inside != secret).then(|| Cow::Owned(inside.to_owned()))
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
        ] {
            let secrets = ["one", "two", "q\"u\\o", ""];
            let scrubbed = scrub(text.as_bytes(), secrets);
            assert_eq!(std::str::from_utf8(&scrubbed).unwrap(), expected);
        }
    }
}
