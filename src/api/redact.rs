//! Striking secrets out of what a server says: its words are recorded, and it
//! may repeat what it was sent.
//!
//! Answers are judged as they came; only the words that are kept of them pass
//! through here. They are searched as they stand, and once more with escapes
//! of URLs, pages and JSON undone.

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr3, memmem};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::message::one_line;

/// What is shorter than this is no secret, and might stand in an answer by
/// chance.
const SHORTEST_SECRET: usize = 8;

/// The names that pages give to characters of a token or a password.
const NAMED: [(&[u8], u8); 9] = [
    (b"amp;", b'&'),
    (b"apos;", b'\''),
    (b"equals;", b'='),
    (b"gt;", b'>'),
    (b"lt;", b'<'),
    (b"plus;", b'+'),
    (b"quot;", b'"'),
    (b"sol;", b'/'),
    (b"bsol;", b'\\'),
];

/// What must not be repeated: every token so far, since an old one may still
/// be good, and what log-ins sent. A clone costs next to nothing.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Vec<SecretString>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Adds a secret, unless it might stand in an answer by chance: digits
    /// alone may be part of an ID.
    pub(super) fn remember(&mut self, secret: &str) {
        let telling =
            secret.len() >= SHORTEST_SECRET && secret.bytes().any(|byte| !byte.is_ascii_digit());
        if telling && !self.0.iter().any(|one| one.expose_secret() == secret) {
            Arc::make_mut(&mut self.0).push(secret.into());
        }
    }

    /// These and some more, however short.
    pub(super) fn and(&self, more: &[&SecretString]) -> Self {
        let more = more.iter().map(|secret| (*secret).clone());
        Self(Arc::new(self.0.iter().cloned().chain(more).collect()))
    }

    /// `text` fit to be recorded: one line of at most 500 characters, with
    /// `***` in the place of every secret. It is cut last, so that no part of
    /// a secret is left at its end.
    pub(super) fn message(&self, text: &str) -> String {
        one_line(&self.redact(text))
    }

    fn redact(&self, text: &str) -> String {
        let text = text.as_bytes();
        let secrets = self
            .0
            .iter()
            .map(|secret| secret.expose_secret().as_bytes());
        let plain = memchr3(b'\\', b'%', b'&', text).map(|_| Plain::of(text));
        let mut found: Vec<Range<usize>> = Vec::new();
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            let as_it_stands = memmem::find_iter(text, secret).map(|at| at..at + secret.len());
            found.extend(as_it_stands);
            found.extend(plain.iter().flat_map(|plain| plain.places_of(secret)));
        }
        found.sort_unstable_by_key(|place| place.start);
        let mut redacted = Vec::with_capacity(text.len());
        let mut at = 0;
        for place in found {
            if place.start >= at {
                redacted.extend_from_slice(&text[at..place.start]);
                redacted.extend_from_slice(b"***");
            }
            at = at.max(place.end);
        }
        redacted.extend_from_slice(&text[at..]);
        String::from_utf8_lossy(&redacted).into_owned()
    }
}

/// A text with its escapes undone, and where each byte of it was written.
struct Plain {
    bytes: Zeroizing<Vec<u8>>,
    places: Vec<Range<usize>>,
}

impl Plain {
    fn of(text: &[u8]) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut places = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let mut buffer = [0; 4];
            let (written, length) = character(&text[at..], &mut buffer);
            bytes.extend_from_slice(written);
            places.extend(written.iter().map(|_| at..at + length));
            at += length;
        }
        Self { bytes, places }
    }

    /// Where a secret stands in it, as it was written.
    fn places_of(&self, secret: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let length = secret.len();
        memmem::find_iter(&self.bytes, secret)
            .map(move |at| self.places[at].start..self.places[at + length - 1].end)
    }
}

/// The character at the beginning of a text, and how many bytes write it.
fn character<'a>(text: &'a [u8], buffer: &'a mut [u8; 4]) -> (&'a [u8], usize) {
    let escaped = match text {
        [b'\\', b'u', ..] => unicode(text),
        [b'%', high, low, ..] => {
            if let Some(byte) = number(&[*high, *low], 16) {
                buffer[0] = byte.to_le_bytes()[0];
                return (&buffer[..1], 3);
            }
            None
        }
        [b'&', b'#', ..] => entity(text),
        [b'&', rest @ ..] => NAMED
            .iter()
            .find(|(name, _)| rest.starts_with(name))
            .map(|(name, byte)| (char::from(*byte), 1 + name.len())),
        [b'\\', next, ..] if next.is_ascii_punctuation() => Some((char::from(*next), 2)),
        _ => None,
    };
    match escaped {
        Some((character, length)) => (character.encode_utf8(buffer).as_bytes(), length),
        None => (&text[..1], 1),
    }
}

/// `\u003d`, or two of them that are a surrogate pair.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::try_from(number(digits, 16)?).ok()
    };
    let first = unit(0)?;
    let pair = [first, unit(6).unwrap_or_default()];
    let c = char::decode_utf16(pair).next()?.ok()?;
    Some((c, 6 * c.len_utf16()))
}

/// `&#61;` or `&#x3d;`; browsers do without the semicolon.
fn entity(text: &[u8]) -> Option<(char, usize)> {
    let (radix, from) = match text.get(2)? {
        b'x' | b'X' => (16, 3),
        _ => (10, 2),
    };
    let digits = text.get(from..)?.iter().take(8);
    let digits = digits.take_while(|byte| char::from(**byte).is_digit(radix));
    let end = from + digits.count();
    let c = char::from_u32(number(&text[from..end], radix)?)?;
    let semicolon = usize::from(text.get(end) == Some(&b';'));
    Some((c, end + semicolon))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let mut number: u32 = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix)?;
        number = number.checked_mul(radix)?.checked_add(digit)?;
    }
    (!digits.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str, secrets: &[&str]) -> String {
        let secrets: Vec<SecretString> = secrets.iter().map(|one| (*one).into()).collect();
        Secrets::default()
            .and(&secrets.iter().collect::<Vec<_>>())
            .message(text)
    }

    #[test]
    fn every_secret_is_struck_out_wherever_it_stands() {
        for (text, expected) in [
            ("", ""),
            ("nothing to hide", "nothing to hide"),
            ("one", "***"),
            ("one two; onetwo, one", "*** ***; ******, ***"),
            (r#"q"u\o"#, "***"),
            ("three  words", "***"),
        ] {
            let secrets = ["one", "two", "q\"u\\o", "three  words", ""];
            assert_eq!(redacted(text, &secrets), expected);
        }
    }

    #[test]
    fn a_secret_is_struck_out_however_its_characters_are_escaped() {
        const SECRET: &str = "SECR+ETab/cdef==tail";
        for written in [
            r"SECR\u002bETab\/cdef\u003d\u003Dtail",
            r"\u0053\u0045CR+ETab/cdef==tai\u006C",
            r"SECR+ETab\/cdef==tail",
            "SECR%2BETab%2Fcdef%3D%3Dtail",
            "SECR%2bETab%2fcdef%3d%3dtail",
            "SECR&#43;ETab&#x2F;cdef&#61;&#x3D;tail",
            "SECR&plus;ETab&sol;cdef&equals;&equals;tail",
            "SECR&#43ETab&#47;cdef==tail",
        ] {
            let text = format!("<a b='%'> & \\ {written}, {written}.");
            let expected = "<a b='%'> & \\ ***, ***.";
            assert_eq!(redacted(&text, &[SECRET]), expected, "{written}");
        }
        for (secret, written) in [
            ("pässwörd", r"p\u00e4ssw\u00F6rd"),
            ("pässwörd", "p%C3%A4ssw%c3%b6rd"),
            ("p\u{1F600}ss", r"p\ud83d\ude00ss"),
            ("a%41b", "a%2541b"),
            ("a&lt;b", "a&amp;lt;b"),
        ] {
            assert_eq!(redacted(written, &[secret]), "***", "{secret} as {written}");
            assert_eq!(redacted(secret, &[secret]), "***", "{secret}");
        }
    }

    #[test]
    fn no_part_of_a_secret_is_left_where_a_message_is_cut() {
        let text = format!("{}secret-word", "x".repeat(495));
        assert_eq!(
            redacted(&text, &["secret-word"]),
            format!("{}***", "x".repeat(495))
        );
    }

    #[test]
    fn what_only_looks_like_an_escape_is_left_as_it_is() {
        for text in [
            r"\u12 \",
            "%",
            "%zz%4",
            "&#; &#x; &#99999999;",
            r"\ud83d",
            "&",
        ] {
            assert_eq!(redacted(text, &["secret-word"]), text);
        }
    }

    #[test]
    fn short_words_and_numbers_are_no_secrets_by_themselves() {
        let mut secrets = Secrets::default();
        for secret in ["short", "12345678", "pass-word", "pass-word"] {
            secrets.remember(secret);
        }
        assert_eq!(
            secrets.message("pass-word, 12345678 and short"),
            "***, 12345678 and short"
        );
    }
}
