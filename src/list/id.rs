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
            0 => Err(InvalidId::Zero),
            _ => Err(InvalidId::Signed),
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
    /// The number 0.
    #[error("zero is not an ID")]
    Zero,
    /// A `+` or `-` in front of a number.
    #[error("a sign; an ID is written in digits alone")]
    Signed,
    /// More than 2^63−1.
    #[error("out of range; the largest ID is 9223372036854775807")]
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
    /// `'123`: how a spreadsheet marks text.
    #[error("an apostrophe in front, a spreadsheet's mark of text; take it off")]
    Apostrophe,
    /// `="123"`: how an export keeps a spreadsheet from rounding.
    #[error("a formula; put the number itself into the cell")]
    Formula,
    /// `""123""`, `123"`: quotes beyond those of CSV.
    #[error("a quote too many; quote the cell once, or not at all")]
    Quoted,
    /// `NULL`, `\N`, `NaN`, `#N/A`, `####`.
    #[error("a word for no value; look the ID up where the list comes from")]
    Placeholder,
    /// The name of the column, in a later row.
    #[error("the header again, as in lists that were joined")]
    Header,
    /// Digits beyond ASCII, such as `１２３`.
    #[error("digits other than 0 to 9; type the ID anew")]
    ForeignDigits,
    /// A zero-width space, a byte-order mark.
    #[error("characters that cannot be seen; type the ID anew")]
    Unseen,
    /// The character NUL.
    #[error("NUL characters; the file is damaged, or in an encoding other than UTF-8 and UTF-16")]
    Nul,
    /// `| 123 | Doe |`: a row of a table that is drawn with bars.
    #[error("separated by |; a comma, a semicolon or a tab is read")]
    Bars,
    /// `123;Doe`, where the first line knows nothing of semicolons.
    #[error("another separator than the first line has")]
    Separator,
    /// `123 456`.
    #[error("several numbers in one cell; give each a line of its own")]
    Several,
    /// `# exported at noon`.
    #[error("a comment; take the line out")]
    Comment,
    /// `123L`, `#123`, `(123)`, `- 123`.
    #[error("more than digits around the number; an ID is written in digits alone")]
    Surrounded,
    /// Anything else.
    #[error("not a number")]
    NotANumber,
    /// Bytes that are no UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A `"` that nothing closes, or that closes in the wrong place.
    #[error("unclosed quote; only this line was skipped")]
    UnclosedQuote,
    /// The row ends before the ID column.
    #[error("missing column; the row is too short to hold an ID")]
    MissingColumn,
    /// The row has more cells than the header, so the ID may have slipped
    /// into another column.
    #[error("more columns than the first row; is a separator left unquoted?")]
    SurplusColumn,
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
        matches!(
            self,
            Self::NotANumber
                | Self::Bars
                | Self::Separator
                | Self::Several
                | Self::Comment
                | Self::Surrounded
        )
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with a text that is not digits alone.
fn diagnose(text: &str) -> InvalidId {
    let unsigned = text.trim_start_matches(['+', '-', '\u{2212}']);
    if is_digits(unsigned) {
        InvalidId::Signed
    } else if is_scientific(unsigned) {
        InvalidId::Scientific
    } else if is_grouped(unsigned) {
        InvalidId::Grouped
    } else if is_decimal(unsigned) {
        InvalidId::Decimal
    } else if text.contains('\0') {
        InvalidId::Nul
    } else {
        dressed(text).unwrap_or_else(|| among(text))
    }
}

/// What is around or in place of the digits.
fn dressed(text: &str) -> Option<InvalidId> {
    let bare = |text: &str| is_digits(text.trim_matches(['"', ' ']));
    if is_placeholder(text) {
        return Some(InvalidId::Placeholder);
    }
    if text.strip_prefix(['\'', '’', '`']).is_some_and(bare) {
        return Some(InvalidId::Apostrophe);
    }
    if text.strip_prefix('=').is_some_and(bare) {
        return Some(InvalidId::Formula);
    }
    if bare(text) {
        return Some(InvalidId::Quoted);
    }
    let seen: String = text.chars().filter(|char| !is_unseen(*char)).collect();
    if seen.len() < text.len() && is_digits(seen.trim()) {
        return Some(InvalidId::Unseen);
    }
    let numeric = |char: char| char.is_numeric() && !char.is_ascii_punctuation();
    text.chars()
        .all(numeric)
        .then_some(InvalidId::ForeignDigits)
}

/// What the digits stand among, if there are any.
fn among(text: &str) -> InvalidId {
    let runs = text.split(|char: char| !char.is_ascii_digit());
    let numbers = runs.filter(|run| !run.is_empty()).count();
    let listed = |char: char| char.is_ascii_digit() || char.is_whitespace() || ",;".contains(char);
    let after = text.trim_start_matches(|char: char| char.is_ascii_digit());
    if text.contains('|') {
        InvalidId::Bars
    } else if numbers > 1 && text.chars().all(listed) {
        InvalidId::Several
    } else if after.len() < text.len() && after.starts_with([',', ';', '\t']) {
        InvalidId::Separator
    } else if text.starts_with("# ") && !is_digits(text[1..].trim()) {
        InvalidId::Comment
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
            ("0", Zero),
            ("000000000000000000000000", Zero),
            ("-5", Signed),
            ("+5", Signed),
            ("\u{2212}5", Signed),
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
            ("1000000000;x", Separator),
            ("1000000000,x", Separator),
            ("x;1000000000", Surrounded),
            ("| 1000000000 | x |", Bars),
            ("1000000000|x", Bars),
            ("+------+---+", NotANumber),
            ("# exported at 10:00", Comment),
            ("# exported in 2026", Comment),
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
            ("１２", ForeignDigits),
            ("١٢٣", ForeignDigits),
            ("½", ForeignDigits),
            ("1\u{0}", Nul),
            ("\0\0\0", Nul),
            ("'12", Apostrophe),
            ("’12", Apostrophe),
            ("'12'", Surrounded),
            ("=\"12\"", Formula),
            ("=12", Formula),
            ("=1+1", NotANumber),
            ("\"12\"", Quoted),
            ("\"\"12\"\"", Quoted),
            ("12\"", Quoted),
            ("\u{feff}12", Unseen),
            ("12\u{200b}", Unseen),
            ("1\u{202d}2\u{202c}", Unseen),
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
