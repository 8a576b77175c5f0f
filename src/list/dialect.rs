//! What kind of table a list is: its separator, whether it has a header, and
//! which column holds the IDs. Told from the first record alone.

use memchr::{memchr, memchr_iter};

use super::{Columns, InvalidId, ListError, PermissionId, text::line_len};

/// What may stand between two cells; of two that are equally frequent the
/// first is believed, since a comma is the likeliest to be part of a name.
const SEPARATORS: [u8; 3] = [b'\t', b';', b','];

/// Headers that name the ID column by themselves.
const ID_COLUMNS: [&str; 4] = [
    "tradingPermissionId",
    "trading_permission_id",
    "permissionId",
    "permission_id",
];

/// Columns beside which `id` is the permission's own: they belong to the
/// API's entity `TradingPermission`.
const ENTITY_COLUMNS: [&str; 2] = ["userId", "accountId"];

/// The separator that the first line states for spreadsheets and for nothing
/// else: `sep=;`.
pub(super) fn stated_separator(line: &[u8]) -> Option<u8> {
    // A tab at the end may be the separator.
    let blanks = line.iter().rev().take_while(|byte| **byte == b' ').count();
    let line = line[..line.len() - blanks].trim_ascii_start();
    let line = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""))
        .unwrap_or(line);
    let (name, separator) = line.split_last_chunk::<1>().map(|(a, b)| (a, b[0]))?;
    (name.eq_ignore_ascii_case(b"sep=") && SEPARATORS.contains(&separator)).then_some(separator)
}

/// The separator of a table; none for a list of one column.
pub(super) fn separator(head: &[u8]) -> Option<u8> {
    let counts = scan(head, SEPARATORS).unwrap_or_else(|| {
        // A damaged quote: count in the first line as if it were none.
        let line = &head[..line_len(head).unwrap_or(head.len())];
        SEPARATORS.map(|separator| memchr_iter(separator, line).count())
    });
    let most = counts.into_iter().max().filter(|most| *most > 0)?;
    let first = counts.into_iter().position(|count| count == most)?;
    Some(SEPARATORS[first])
}

/// Counts each separator in a record, outside its quotes. `None` if the
/// record is damaged: a quoted cell does not close, or not where a cell ends.
pub(super) fn scan<const N: usize>(record: &[u8], separators: [u8; N]) -> Option<[usize; N]> {
    let mut counts = [0; N];
    let mut at = 0;
    let mut cell_starts = true;
    while let Some(&byte) = record.get(at) {
        let separator = separators.iter().position(|known| *known == byte);
        at += 1;
        if let Some(separator) = separator {
            counts[separator] += 1;
            cell_starts = true;
        } else if matches!(byte, b'\n' | b'\r') {
            break;
        } else {
            if byte == b'"' && cell_starts {
                at += quoted_len(&record[at..])?;
                let closes_cell = record
                    .get(at)
                    .is_none_or(|next| separators.contains(next) || matches!(next, b'\n' | b'\r'));
                if !closes_cell {
                    return None;
                }
            }
            cell_starts = false;
        }
    }
    Some(counts)
}

/// The length of a quoted cell after its opening quote, up to and with the
/// closing one.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut len = 0;
    loop {
        len += memchr(b'"', &text[len..])? + 1;
        if text.get(len) != Some(&b'"') {
            return Some(len);
        }
        len += 1;
    }
}

/// Whether the first cell of a one-column list is its header.
///
/// In doubt it is not: a number taken for a header would be a lost row,
/// while a header taken for a number is reported as an invalid one.
pub(super) fn is_header(cell: &[u8]) -> bool {
    if !PermissionId::parse(cell).is_err_and(InvalidId::is_text) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(cell) else {
        return false;
    };
    let text = text.trim();
    let letters = text.chars().filter(|char| char.is_alphabetic()).count();
    let digits = text.chars().filter(|char| char.is_numeric()).count();
    letters > digits
        && !text.starts_with(|first: char| first.is_numeric() || "+-.,\"'=".contains(first))
}

/// The index of the ID column among the names in a table's header.
pub(super) fn id_column(
    list: &str,
    names: &[String],
    asked: Option<&str>,
) -> Result<usize, ListError> {
    let called = |wanted: &[&str]| -> Vec<usize> {
        let is_called = |name: &String| wanted.iter().any(|known| name.eq_ignore_ascii_case(known));
        (0..names.len())
            .filter(|index| is_called(&names[*index]))
            .collect()
    };
    let mut found = match asked {
        Some(asked) => called(&[asked]),
        None => called(&ID_COLUMNS),
    };
    if let Some(asked) = asked {
        let exact = |index: &usize| names[*index] == asked;
        if found.iter().any(exact) {
            found.retain(exact);
        }
    } else if found.is_empty() {
        let is_alone = names.iter().filter(|name| !name.is_empty()).count() == 1;
        if is_alone || !called(&ENTITY_COLUMNS).is_empty() {
            found = called(&["id"]);
        }
    }
    let name = list.to_owned();
    let columns = Columns(names.to_vec());
    let is_header = || !names.iter().any(|name| is_number(name));
    match (found[..].as_ref(), asked) {
        ([index], _) => Ok(*index),
        ([], Some(asked)) if !is_header() => Err(ListError::NoHeader {
            name,
            asked: asked.to_owned(),
        }),
        ([], None) if !is_header() => Err(ListError::NoNames { name, columns }),
        ([], Some(asked)) => Err(ListError::NoSuchColumn {
            name,
            asked: asked.to_owned(),
            columns,
        }),
        ([], None) => Err(ListError::UnknownColumn { name, columns }),
        (several, _) => Err(ListError::AmbiguousColumn {
            name,
            matching: Columns(several.iter().map(|index| names[*index].clone()).collect()),
            columns,
        }),
    }
}

/// Whether this is data and no name: an ID, or one that was damaged.
fn is_number(cell: &str) -> bool {
    !PermissionId::parse(cell.as_bytes())
        .is_err_and(|reason| reason == InvalidId::Empty || reason.is_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_may_be_stated_for_spreadsheets() {
        for (line, expected) in [
            ("sep=;", Some(b';')),
            (" SEP=, ", Some(b',')),
            ("\"sep=;\"", Some(b';')),
            ("sep=", None),
            ("sep=x", None),
            ("sep=;;", None),
            ("id;sep=;", None),
            ("", None),
        ] {
            assert_eq!(stated_separator(line.as_bytes()), expected, "{line:?}");
        }
        // The tab must not be taken for a blank at the end.
        assert_eq!(stated_separator(b"sep=\t"), Some(b'\t'));
    }

    #[test]
    fn the_separator_is_the_commonest_outside_quotes() {
        for (head, expected) in [
            ("permissionId\n1,2,3\n", None),
            ("a,b\n", Some(b',')),
            ("a;b\n", Some(b';')),
            ("a\tb\n", Some(b'\t')),
            ("a;b;\"c,d,e,f\"\n", Some(b';')),
            ("\"a\nb\";c\n", Some(b';')),
            ("\"Permission, ID\"\n", None),
            ("a,\"b\n1,2\n", Some(b',')),
            ("\"1\n2\n", None),
            ("\"a\" b,c\n", Some(b',')),
            ("name, first;id\n", Some(b';')),
            ("", None),
        ] {
            assert_eq!(separator(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn a_header_is_what_cannot_be_a_damaged_number() {
        for header in [
            "permissionId",
            " id ",
            "Genehmigung 2",
            "perm_ids_2024",
            "#id",
        ] {
            assert!(is_header(header.as_bytes()), "{header:?}");
        }
        for damaged in [
            "", "1", "1.02E+09", "1,02e9", "12a", "O123", "0x1F", "-id", "NaN", "null", "#REF!",
            "=\"12\"", "---", "１２", "\u{0}", "\"id",
        ] {
            assert!(!is_header(damaged.as_bytes()), "{damaged:?}");
        }
        assert!(!is_header(b"permission\xff"));
    }

    fn choose(names: &[&str], asked: Option<&str>) -> Result<usize, String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        id_column("list.csv", &names, asked).map_err(|error| error.to_string())
    }

    #[test]
    fn the_id_column_is_the_one_asked_for_or_named_so() {
        assert_eq!(choose(&["x", "TRADINGPERMISSIONID"], None), Ok(1));
        assert_eq!(choose(&["trading_permission_id", "id"], None), Ok(0));
        assert_eq!(choose(&["id", "permissionId", "userId"], None), Ok(1));
        assert_eq!(choose(&["x", "Permission_Id"], None), Ok(1));
        assert_eq!(choose(&["id", "userId"], None), Ok(0));
        assert_eq!(choose(&["accountid", "ID"], None), Ok(1));
        assert_eq!(choose(&["id", ""], None), Ok(0));
        assert_eq!(choose(&["permissionId", "x"], Some("x")), Ok(1));
        assert_eq!(choose(&["X", "x"], Some("x")), Ok(1));
        assert_eq!(choose(&["X", "y"], Some("x")), Ok(0));
    }

    #[test]
    fn an_unclear_column_is_an_error_that_names_all_columns() {
        assert_eq!(
            choose(&["id", "name"], None).unwrap_err(),
            "the ID column of list.csv cannot be told; the cells of its first row are `id`, `name`"
        );
        assert_eq!(
            choose(&["a", "b"], Some("c")).unwrap_err(),
            "list.csv has no column `c`; its columns are `a`, `b`"
        );
        assert_eq!(
            choose(&["permissionId", "x", "permission_id"], None).unwrap_err(),
            "list.csv has more than one ID column: `permissionId`, `permission_id`; \
             its columns are `permissionId`, `x`, `permission_id`"
        );
        assert!(choose(&["x", "x"], Some("x")).is_err());
        assert!(choose(&["id", "ID", "userId"], None).is_err());
    }
}
