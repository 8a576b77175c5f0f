//! Striking secrets out of what a server says: its words are recorded, and it
//! may repeat what it was sent.
//!
//! It may do so in any writing: JSON may escape every character (`\u003d`,
//! `\/`), a URL and a page have ways of their own (`%3D`, `&#61;`), and one may
//! be quoted within the other. So a text is searched as it stands, and then
//! with all that undone, layer by layer.

use std::borrow::Cow;
use std::char;
use std::ops::Range;

use memchr::{memchr3, memmem};
use secrecy::zeroize::{Zeroize, Zeroizing};

/// So many writings within each other are undone.
const LAYERS: usize = 4;

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

/// `text` with every secret in it replaced by `***`, in whatever writing.
pub(super) fn scrub<'a, 's>(
    text: &'a [u8],
    secrets: impl IntoIterator<Item = &'s str>,
) -> Cow<'a, [u8]> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets {
        if let Some(struck) = strike(&text, secret.as_bytes()) {
            text = Cow::Owned(struck);
        }
        if let Some(struck) = strike_written(&text, secret.as_bytes()) {
            text = Cow::Owned(struck);
        }
    }
    text
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
        // What a backslash goes with is not taken away from it: `\***` is no
        // JSON.
        let signs = rest[..at].iter().rev().take_while(|byte| **byte == b'\\');
        let odd = signs.count() % 2;
        struck.extend_from_slice(&rest[..at - odd]);
        struck.extend_from_slice(b"***");
        rest = &rest[at + secret.len()..];
    }
    struck.extend_from_slice(rest);
    Some(struck)
}

/// Strikes a secret out where its characters are written in other ways.
fn strike_written(text: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    memchr3(b'\\', b'%', b'&', text)?;
    let mut read = Plain::of(text);
    let mut sought = Plain::of(secret);
    let mut marked = Vec::new();
    for _ in 0..LAYERS {
        let (more, deeper) = (read.read(), sought.read());
        marked.extend(read.places_of(&sought));
        if !more && !deeper {
            break;
        }
    }
    if marked.is_empty() {
        return None;
    }
    marked.sort_unstable_by_key(|place| place.start);
    let mut struck = Vec::with_capacity(text.len());
    let mut at = 0;
    for place in marked {
        if place.start >= at {
            struck.extend_from_slice(&text[at..place.start]);
            struck.extend_from_slice(b"***");
        }
        at = at.max(place.end);
    }
    struck.extend_from_slice(&text[at..]);
    Some(struck)
}

/// A text that is being read, and where each byte of it was written.
struct Plain {
    bytes: Zeroizing<Vec<u8>>,
    /// From and to: no answer is longer than 16 MiB.
    places: Vec<(u32, u32)>,
}

impl Plain {
    fn of(text: &[u8]) -> Self {
        Self {
            bytes: Zeroizing::new(text.to_vec()),
            places: (0..).map(|at| (at, at + 1)).take(text.len()).collect(),
        }
    }

    /// Undoes one layer of writing; tells whether there was one.
    fn read(&mut self) -> bool {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.bytes.len()));
        let mut places = Vec::with_capacity(self.places.len());
        let (mut at, mut begun) = (0, None);
        while at < self.bytes.len() {
            let (character, length) = character(&self.bytes[at..]);
            let (from, to) = (self.places[at].0, self.places[at + length - 1].1);
            let from = begun.unwrap_or(from);
            at += length;
            let mut buffer = [0; 4];
            let written = match character {
                Written::Byte(byte) => {
                    buffer[0] = byte;
                    &buffer[..1]
                }
                Written::Char(c) => c.encode_utf8(&mut buffer).as_bytes(),
                Written::Ahead => {
                    // It belongs to what it is before: neither is struck out
                    // without the other.
                    begun = Some(from);
                    continue;
                }
            };
            begun = None;
            bytes.extend_from_slice(written);
            places.extend(written.iter().map(|_| (from, to)));
            buffer.zeroize();
        }
        let changed = *bytes != *self.bytes;
        *self = Self { bytes, places };
        changed
    }

    /// Where another stands in it, as it was written.
    fn places_of(&self, other: &Self) -> impl Iterator<Item = Range<usize>> {
        let length = other.bytes.len();
        memmem::find_iter(&self.bytes, other.bytes.as_slice())
            .filter(move |_| length > 0)
            .map(move |at| {
                let (from, to) = (self.places[at].0, self.places[at + length - 1].1);
                from as usize..to as usize
            })
    }
}

/// What one character was written as.
enum Written {
    Byte(u8),
    Char(char),
    /// A sign that only says how to read the next.
    Ahead,
}

/// The character at the beginning of a text, and how many bytes write it.
fn character(text: &[u8]) -> (Written, usize) {
    let plain = (Written::Byte(text[0]), 1);
    match text {
        [b'\\', b'u', ..] => unicode(text).map_or((Written::Ahead, 1), |(c, length)| {
            (Written::Char(c), length)
        }),
        [b'\\', b'x', high, low, ..] => match number(&[*high, *low], 16) {
            Some(byte) => (Written::Byte(byte.to_le_bytes()[0]), 4),
            None => (Written::Ahead, 1),
        },
        [b'\\', ..] => (Written::Ahead, 1),
        [b'%', high, low, ..] => match number(&[*high, *low], 16) {
            Some(byte) => (Written::Byte(byte.to_le_bytes()[0]), 3),
            None => plain,
        },
        [b'&', b'#', ..] => entity(text).map_or(plain, |(c, length)| (Written::Char(c), length)),
        [b'&', rest @ ..] => NAMED
            .iter()
            .find(|(name, _)| rest.starts_with(name))
            .map_or(plain, |(name, byte)| (Written::Byte(*byte), 1 + name.len())),
        _ => plain,
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

    fn scrubbed(text: &str, secrets: &[&str]) -> String {
        let scrubbed = scrub(text.as_bytes(), secrets.iter().copied());
        String::from_utf8(scrubbed.into_owned()).unwrap()
    }

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
            assert_eq!(scrubbed(text, &["one", "two", "q\"u\\o", ""]), expected);
        }
    }

    #[test]
    fn a_secret_is_struck_out_in_every_writing() {
        const SECRET: &str = "SECR+ETab/cdef==tail";
        for written in [
            r"SECR\u002bETab\/cdef\u003d\u003Dtail",
            r"SECR\u002BETab\u002fcdef==tail",
            r"\u0053\u0045CR+ETab/cdef==tai\u006C",
            r"SECR+ETab\/cdef==tail",
            // JSON within JSON, twice.
            r"SECR\\u002bETab\\\/cdef\\u003d\\u003dtail",
            r"SECR\\\\u002bETab\\\\\\\/cdef==tail",
            "SECR%2BETab%2Fcdef%3D%3Dtail",
            "SECR%2bETab%2fcdef%3d%3dtail",
            "SECR%252BETab%252Fcdef%253D%253Dtail",
            "SECR&#43;ETab&#x2F;cdef&#61;&#x3D;tail",
            "SECR&plus;ETab&sol;cdef&equals;&equals;tail",
            "SECR&#43ETab&#47;cdef==tail",
            "SECR&amp;#43;ETab&amp;#x2f;cdef==tail",
            r"SECR\u0026#43;ETab/cdef%3D=tail",
            r"SECR\x2bETab/cdef\x3D=tail",
        ] {
            let text = format!("<a b='%'> & \\ {written}, {written}.");
            assert_eq!(
                scrubbed(&text, &[SECRET]),
                "<a b='%'> & \\ ***, ***.",
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_struck_out_leaves_json_as_it_was() {
        for (text, expected) in [
            (r#"{"e":"a\nothing-secret"}"#, r#"{"e":"a***"}"#),
            (r#"{"e":"a\\nothing-secret"}"#, r#"{"e":"a\\***"}"#),
            (r#"{"e":"\"nothing\u002dsecret\""}"#, r#"{"e":"\"***\""}"#),
        ] {
            let struck = scrubbed(text, &["nothing-secret"]);
            assert_eq!(struck, expected);
            serde_json::from_str::<serde_json::Value>(&struck).unwrap();
        }
    }

    #[test]
    fn a_secret_of_any_characters_is_found() {
        for (secret, written) in [
            ("pässwörd", r"p\u00e4ssw\u00F6rd"),
            ("pässwörd", "p%C3%A4ssw%c3%b6rd"),
            ("p\u{1F600}ss", r"p\ud83d\ude00ss"),
            ("100%&\\x", r"100%\u0026\\x"),
            ("a%41b", "a%2541b"),
            ("a&lt;b", "a&amp;lt;b"),
        ] {
            assert_eq!(scrubbed(written, &[secret]), "***", "{secret} as {written}");
            assert_eq!(scrubbed(secret, &[secret]), "***", "{secret}");
        }
    }

    #[test]
    fn what_only_looks_like_a_writing_is_left_as_it_is() {
        for text in [
            r"\u12 \",
            "%",
            "%zz%4",
            "&#; &#x; &#99999999;",
            r"\ud83d",
            "&",
        ] {
            assert_eq!(scrubbed(text, &["secret-word"]), text);
        }
    }
}
