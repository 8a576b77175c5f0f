//! UTF-16, as spreadsheets export "Unicode text": told by the first bytes of
//! a list and turned into UTF-8 on the way, so that all that reads a list
//! knows UTF-8 alone.

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE};

/// Stored bytes are taken in steps of this size.
const STEP: usize = 64 * 1024;

pub(super) struct Utf16 {
    decoder: Decoder,
    stored: Box<[u8]>,
    start: usize,
    end: usize,
    /// No more is stored.
    ended: bool,
    /// The decoder has said all it has to say.
    finished: bool,
}

impl Utf16 {
    /// What turns a text that begins with `head` into UTF-8, if it is UTF-16:
    /// with a byte-order mark, or without one where the first two characters
    /// are Latin. No text in UTF-8 has a NUL beside each of them.
    pub(super) fn detect(head: &[u8]) -> Option<Self> {
        let encoding = match *head {
            [0xff, 0xfe, ..] => UTF_16LE,
            [0xfe, 0xff, ..] => UTF_16BE,
            [a, 0, b, 0, ..] if a != 0 && b != 0 => UTF_16LE,
            [0, a, 0, b, ..] if a != 0 && b != 0 => UTF_16BE,
            _ => return None,
        };
        Some(Self {
            decoder: encoding.new_decoder_with_bom_removal(),
            stored: vec![0; STEP].into(),
            start: 0,
            end: 0,
            ended: false,
            finished: false,
        })
    }

    /// Reads some text; none is left when it returns 0. `more` reads stored
    /// bytes. What is no UTF-16 (half a pair, half a unit at the end) becomes
    /// U+FFFD, which no ID contains. The buffer has to hold a few characters.
    pub(super) fn read<E>(
        &mut self,
        buffer: &mut [u8],
        mut more: impl FnMut(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        while !self.finished {
            if self.start == self.end && !self.ended {
                self.start = 0;
                self.end = more(&mut self.stored)?;
                self.ended = self.end == 0;
            }
            let stored = &self.stored[self.start..self.end];
            let (result, read, written, _) =
                self.decoder.decode_to_utf8(stored, buffer, self.ended);
            self.start += read;
            self.finished = self.ended && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str, big: bool) -> Vec<u8> {
        let to_bytes = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    /// Decodes bytes that arrive `step` at a time.
    fn decoded(stored: &[u8], step: usize) -> String {
        let mut left = stored;
        let mut utf16 = Utf16::detect(stored).unwrap();
        let mut text = Vec::new();
        loop {
            let mut buffer = [0; 16];
            let read = utf16.read(&mut buffer, |more| {
                let (now, later) = left.split_at(step.min(left.len()).min(more.len()));
                more[..now.len()].copy_from_slice(now);
                left = later;
                Ok::<_, ()>(now.len())
            });
            match read.unwrap() {
                0 => return String::from_utf8(text).unwrap(),
                read => text.extend_from_slice(&buffer[..read]),
            }
        }
    }

    #[test]
    fn both_byte_orders_are_read_with_and_without_a_mark() {
        let text = "permissionId\tИмя\n10\t漢字 𝄞 ü\n";
        for big in [false, true] {
            for mark in ["", "\u{feff}"] {
                let stored = bytes(&format!("{mark}{text}"), big);
                for step in [1, 2, 3, 7, 1000] {
                    assert_eq!(decoded(&stored, step), text, "{big} {mark:?} {step}");
                }
            }
        }
        let long = "1234567890\r\n".repeat(STEP);
        assert_eq!(decoded(&bytes(&long, false), STEP), long);
    }

    #[test]
    fn what_is_no_utf_16_stays_to_be_seen() {
        for big in [false, true] {
            let mut cut_off = bytes("12\n34", big);
            cut_off.pop();
            assert_eq!(decoded(&cut_off, 100), "12\n3\u{fffd}");
            let mut half_a_pair = bytes("12\n", big);
            half_a_pair.extend(if big { [0xd8, 0x34] } else { [0x34, 0xd8] });
            half_a_pair.extend(bytes("\n", big));
            assert_eq!(decoded(&half_a_pair, 100), "12\n\u{fffd}\n");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_utf_16() {
        for head in [
            &b""[..],
            b"1",
            b"1\0",
            b"1\n2\n",
            b"id,n",
            b"1\0\0\0",
            b"\0\0\x001",
            b"\0\0\0\0",
            b"\xef\xbb\xbf1",
            b"\xff1\xfe2",
        ] {
            assert!(Utf16::detect(head).is_none(), "{head:?}");
        }
    }
}
