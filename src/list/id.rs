//! A permission's ID, and what can be wrong with a cell that should hold one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The ID of a trading permission: a whole number from 1 to 2^63−1.
///
/// The API's type is `int64` and its IDs are greater than zero
/// (`user/revoketradingpermissions`, OpenAPI text).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct PermissionId(i64);

impl PermissionId {
    /// The number itself, always at least 1.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads a cell: digits, blanks around them allowed.
    ///
    /// # Errors
    ///
    /// What is wrong with the cell. Nothing is repaired: a number that a
    /// spreadsheet has rounded would be somebody else's permission.
    #[inline]
    pub fn parse(cell: &[u8]) -> Result<Self, InvalidId> {
        Self::from_digits(cell).map_or_else(|| Self::from_text(cell), Ok)
    }

    /// The ID of a cell that is as plain as nearly every cell is: digits
    /// alone, and too few of them to overflow.
    #[inline]
    pub(super) fn from_digits(cell: &[u8]) -> Option<Self> {
        if cell.len() > 18 {
            return None;
        }
        let mut number = 0;
        for byte in cell {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            number = number * 10 + i64::from(digit);
        }
        (number > 0).then_some(Self(number))
    }

    #[cold]
    fn from_text(cell: &[u8]) -> Result<Self, InvalidId> {
        let text = std::str::from_utf8(cell).map_err(|_| InvalidId::NotUtf8)?;
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidId::Empty);
        }
        if !is_digits(text) {
            return Err(diagnose(text));
        }
        match text.parse::<i64>() {
            Ok(number) => Self::try_from(number),
            Err(_) => Err(InvalidId::OutOfRange),
        }
    }
}

impl TryFrom<i64> for PermissionId {
    type Error = InvalidId;

    fn try_from(number: i64) -> Result<Self, InvalidId> {
        match number {
            1.. => Ok(Self(number)),
            _ => Err(InvalidId::OutOfRange),
        }
    }
}

impl From<PermissionId> for i64 {
    fn from(id: PermissionId) -> i64 {
        id.0
    }
}

impl fmt::Display for PermissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a row holds no permission ID. Shown to the vendor after `invalid: `,
/// so each says what to do about it where that is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum InvalidId {
    /// Nothing but blanks.
    #[error("empty")]
    Empty,
    /// Not from 1 to 2^63−1.
    #[error("out of range; an ID is from 1 to 9223372036854775807")]
    OutOfRange,
    /// `1.02E+09`: digits were lost, and cannot be guessed.
    #[error("scientific notation, as a spreadsheet writes it; format the column as text")]
    Scientific,
    /// `12.5`, `12.0`, `12,5`.
    #[error("a decimal number; format the column as whole numbers or text")]
    Decimal,
    /// `1,234,567` or the same with another separator.
    #[error("thousands separators; format the column as text")]
    Grouped,
    /// `NULL`, `\N`, `NaN`, `#N/A`, `####`.
    #[error("a word for no value; look the ID up where the list comes from")]
    Placeholder,
    /// The name of the column, in a later row.
    #[error("the header again, as in lists that were joined")]
    Header,
    /// `123;Doe`, `| 123 |`, `123 456`.
    #[error("several values in one cell; separate columns as the first line does, with , ; or tab")]
    Several,
    /// `'123`, `="123"`, `+123`, `#123`, `123L`, or a character that cannot be seen.
    #[error("more than digits around the number; an ID is written in digits alone")]
    Surrounded,
    /// Anything else.
    #[error("not a number")]
    NotANumber,
    /// Bytes that are no UTF-8, or NUL characters.
    #[error("not text in UTF-8; the file is damaged, or in another encoding")]
    NotUtf8,
    /// A `"` that nothing closes, or that closes in the wrong place.
    #[error("unclosed quote; only this line was skipped")]
    UnclosedQuote,
    /// The row ends before the ID column, or has more cells than the header,
    /// so that the ID may have slipped into another column.
    #[error("not the columns of the first row; is a separator missing or left unquoted?")]
    Columns,
    /// A row longer than any list has.
    #[error("a row longer than 64 KiB")]
    TooLong,
}

impl InvalidId {
    /// What is no number may be the name of the column once more.
    pub(super) fn or_header(self, cell: &[u8], column: &str) -> Self {
        let is_header = || {
            let seen: String = String::from_utf8_lossy(cell)
                .chars()
                .filter(|char| !is_unseen(*char))
                .collect();
            seen.trim().eq_ignore_ascii_case(column)
        };
        if self.is_text() && is_header() {
            return Self::Header;
        }
        self
    }

    /// Whether the cell may be a name as well, and is no number that was
    /// damaged.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::NotANumber | Self::Several | Self::Surrounded)
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with a text that is not digits alone.
fn diagnose(text: &str) -> InvalidId {
    let unsigned = text.trim_start_matches(['+', '-', '\u{2212}']);
    if is_digits(text.trim_start_matches(['-', '\u{2212}'])) {
        InvalidId::OutOfRange
    } else if is_scientific(unsigned) {
        InvalidId::Scientific
    } else if is_grouped(unsigned) {
        InvalidId::Grouped
    } else if is_decimal(unsigned) {
        InvalidId::Decimal
    } else if text.contains('\0') {
        InvalidId::NotUtf8
    } else if is_placeholder(text) {
        InvalidId::Placeholder
    } else {
        among(text)
    }
}

/// What the digits stand among, if there are any.
fn among(text: &str) -> InvalidId {
    let runs = text.split(|char: char| !char.is_ascii_digit());
    let numbers = runs.filter(|run| !run.is_empty()).count();
    let listed = |char: char| char.is_ascii_digit() || char.is_whitespace() || ",;".contains(char);
    let after = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let several = numbers > 1 && text.chars().all(listed);
    let separated = after.len() < text.len() && after.starts_with([',', ';', '\t']);
    if several || separated || text.contains('|') {
        InvalidId::Several
    } else if numbers == 1 {
        InvalidId::Surrounded
    } else {
        InvalidId::NotANumber
    }
}

/// Format and control characters that a copied number takes along.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// What stands where a value was lost.
const PLACEHOLDERS: [&str; 16] = [
    "nan", "null", "(null)", "<null>", "none", "nil", "inf", "infinity", "n/a", "\\n", "#n/a",
    "#ref!", "#value!", "#name?", "#num!", "#null!",
];

/// Whether this is a word for a value that was lost, of a database or of a
/// spreadsheet: `NULL`, `#REF!`, or `####` for a column that was too narrow.
pub(super) fn is_placeholder(text: &str) -> bool {
    PLACEHOLDERS
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
        || text.len() > 1 && text.bytes().all(|byte| byte == b'#')
}

fn is_scientific(text: &str) -> bool {
    text.split_once(['e', 'E'])
        .is_some_and(|(mantissa, exponent)| {
            (is_digits(mantissa) || is_decimal(mantissa))
                && is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        })
}

/// A single point is read as a decimal (`1.234`), a single comma as a
/// separator (`1,234`): the commoner meaning. Both are invalid either way.
fn is_grouped(text: &str) -> bool {
    [',', '.', '\'', '’', '_', ' ', '\u{a0}', '\u{202f}']
        .into_iter()
        .any(|separator| {
            let mut groups = text.split(separator);
            let first = groups.next().unwrap_or_default();
            let least = if separator == '.' { 2 } else { 1 };
            is_digits(first)
                && first.len() <= 3
                && groups.clone().count() >= least
                && groups.all(|group| group.len() == 3 && is_digits(group))
        })
}

fn is_decimal(text: &str) -> bool {
    text.rsplit_once(['.', ',']).is_some_and(|(whole, part)| {
        let whole_is_number = whole.is_empty() || is_digits(whole) || is_grouped(whole);
        let part_is_number = part.is_empty() || is_digits(part);
        whole_is_number && part_is_number && text.len() > 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_whole_numbers_from_one_with_blanks_allowed() {
        for (cell, number) in [
            ("1", 1),
            ("1020304050", 1_020_304_050),
            (" 42\t", 42),
            ("\u{a0}42\u{a0}", 42),
            ("007", 7),
            ("000000000000000000000000000042", 42),
            ("999999999999999999", 999_999_999_999_999_999),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(
                PermissionId::parse(cell.as_bytes()).map(PermissionId::get),
                Ok(number),
                "{cell:?}"
            );
        }
    }

    #[test]
    fn every_damaged_cell_gets_the_reason_that_helps() {
        use InvalidId::*;
        for (cell, reason) in [
            ("", Empty),
            (" \t ", Empty),
            ("0", OutOfRange),
            ("000000000000000000000000", OutOfRange),
            ("-5", OutOfRange),
            ("+5", Surrounded),
            ("\u{2212}5", OutOfRange),
            ("9223372036854775808", OutOfRange),
            ("99999999999999999999999999999999", OutOfRange),
            ("1.02E+09", Scientific),
            ("1,02E+09", Scientific),
            ("1e9", Scientific),
            ("-1.5e-3", Scientific),
            ("12.5", Decimal),
            ("12.0", Decimal),
            ("12.", Decimal),
            (".5", Decimal),
            ("1.234", Decimal),
            ("12,5", Decimal),
            ("1,234.00", Decimal),
            ("1,234", Grouped),
            ("1,234,567", Grouped),
            ("1.234.567", Grouped),
            ("1'234'567", Grouped),
            ("1 234 567", Grouped),
            ("1\u{202f}234", Grouped),
            ("1234,567", Decimal),
            ("12 34", Several),
            ("1000000000 1000000001", Several),
            ("1000000000, 1000000001", Several),
            ("1000000000;x", Several),
            ("1000000000,x", Several),
            ("x;1000000000", Surrounded),
            ("| 1000000000 | x |", Several),
            ("1000000000|x", Several),
            ("+------+---+", NotANumber),
            ("# exported at 10:00", NotANumber),
            ("# exported in 2026", Surrounded),
            ("# 1000000000", Surrounded),
            ("1000000005L", Surrounded),
            ("#1000000007", Surrounded),
            ("ID1000000006", Surrounded),
            ("(1000000010)", Surrounded),
            ("- 1000000000", Surrounded),
            (".", NotANumber),
            ("-", NotANumber),
            ("e9", Surrounded),
            ("0x1F", NotANumber),
            ("12a", Surrounded),
            ("１２", NotANumber),
            ("١٢٣", NotANumber),
            ("½", NotANumber),
            ("1\u{0}", NotUtf8),
            ("\0\0\0", NotUtf8),
            ("'12", Surrounded),
            ("’12", Surrounded),
            ("'12'", Surrounded),
            ("=\"12\"", Surrounded),
            ("=12", Surrounded),
            ("=1+1", NotANumber),
            ("\"12\"", Surrounded),
            ("\"\"12\"\"", Surrounded),
            ("12\"", Surrounded),
            ("\u{feff}12", Surrounded),
            ("12\u{200b}", Surrounded),
            ("1\u{202d}2\u{202c}", NotANumber),
            ("12\u{1b}[0m", NotANumber),
            ("NULL", Placeholder),
            ("\\N", Placeholder),
            ("NaN", Placeholder),
            ("#N/A", Placeholder),
            ("#########", Placeholder),
            ("#", NotANumber),
            ("12\u{fffd}", Surrounded),
            ("permissionId", NotANumber),
        ] {
            assert_eq!(
                PermissionId::parse(cell.as_bytes()),
                Err(reason),
                "{cell:?}"
            );
        }
        assert_eq!(PermissionId::parse(b"12\xff"), Err(NotUtf8));
    }
}
