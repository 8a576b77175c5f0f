//! Reading and freezing lists: whatever the bytes, the rows add up; and a
//! list in any form that is read gives exactly its IDs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    convert::Infallible,
    fmt::Write,
    io::{self, Cursor, Read, Write as _},
    num::NonZeroUsize,
    path::PathBuf,
};

use flate2::write::GzEncoder;
use proptest::{collection::vec, prelude::*, sample::select};
use rescind::list::{
    FreezeError, Frozen, Input, InvalidId, ListCounts, ListError, PermissionId, Rejection, Row,
    Rows, freeze,
};
use sha2::{Digest, Sha256};

use crate::support::scratch;

/// Hands over a few bytes at a time, as a pipe may.
struct Trickle(Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}

fn open(bytes: &[u8], step: usize, id_column: Option<&str>) -> Result<Rows, ListError> {
    let reader = Trickle(Cursor::new(bytes.to_vec()), step);
    Rows::from_reader("list.csv", Box::new(reader), id_column)
}

/// All that freezing hands on.
#[derive(Default, PartialEq, Debug)]
struct Handed {
    ids: Vec<(i64, u64)>,
    sizes: Vec<usize>,
    rejects: Vec<(u64, Rejection)>,
}

fn frozen(rows: Rows, batch_size: usize) -> Result<(ListCounts, Handed), ListError> {
    let mut handed = Handed::default();
    let result = freeze(rows, NonZeroUsize::new(batch_size).unwrap(), |frozen| {
        match frozen {
            Frozen::Batch { ids, lines } => {
                assert_eq!(ids.len(), lines.len());
                handed.sizes.push(ids.len());
                let ids = ids.iter().map(|id| id.get());
                handed.ids.extend(ids.zip(lines.iter().copied()));
            }
            Frozen::Reject { line, reason, .. } => handed.rejects.push((line, reason)),
        }
        Ok::<_, Infallible>(())
    });
    match result {
        Ok(census) => Ok((census, handed)),
        Err(FreezeError::List(error)) => Err(error),
        Err(FreezeError::Sink(never)) => match never {},
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").unwrap();
        digits
    })
}

fn adds_up(census: &ListCounts, handed: &Handed, batch_size: usize) {
    let count = |len: usize| u64::try_from(len).unwrap();
    assert!(census.adds_up(), "{census:?}");
    assert_eq!(census.total, count(handed.ids.len() + handed.rejects.len()));
    assert_eq!(census.distinct, count(handed.ids.len()));
    assert_eq!(census.batches, count(handed.sizes.len()));
    let duplicates = handed
        .rejects
        .iter()
        .filter(|(_, reason)| *reason == Rejection::Duplicate);
    assert_eq!(census.duplicate, count(duplicates.count()));
    assert_eq!(
        census.duplicate + census.invalid,
        count(handed.rejects.len())
    );
    let (last, full) = handed.sizes.split_last().unwrap_or((&0, &[]));
    assert!(full.iter().all(|size| *size == batch_size) && *last <= batch_size);
    let mut lines: Vec<u64> = handed.ids.iter().map(|(_, line)| *line).collect();
    assert!(lines.is_sorted());
    lines.extend(handed.rejects.iter().map(|(line, _)| *line));
    lines.sort_unstable();
    let rows = lines.len();
    lines.dedup();
    assert_eq!(lines.len(), rows, "two rows start at one line");
    let mut ids: Vec<i64> = handed.ids.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(count(ids.len()), census.distinct, "an ID is frozen twice");
}

/// Bytes that mean something to a reader of lists, in any order.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let telling: [&[u8]; 20] = [
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b"\"",
        b"\"\"",
        b",",
        b";",
        b"\t",
        b" ",
        b"1",
        b"42",
        b"0",
        b"1.02E+09",
        b"id",
        b"userId",
        b"\xff",
        b"\0",
        b"\xef\xbb\xbf",
        b"x",
    ];
    vec(select(telling.to_vec()), 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_row_is_accounted_for_whatever_the_bytes(
        start in select(["", "id,userId\n", "permissionId\n", "x\tpermission_id\r\n", "1\n"].as_slice()),
        rest in prop_oneof![fragments(), vec(any::<u8>(), 0..300)],
        step in 1..40_usize,
        batch_size in 1..5_usize,
    ) {
        let bytes = [start.as_bytes(), &rest].concat();
        // A list whose columns cannot be told is refused as a whole.
        if let Ok(rows) = open(&bytes, step, None) {
            let (census, handed) = frozen(rows, batch_size).unwrap();
            adds_up(&census, &handed, batch_size);
            prop_assert_eq!(census.input_sha256, sha256(&bytes));
        }
    }

    #[test]
    fn each_line_of_a_one_column_list_is_a_row_whatever_quotes(
        lines in vec(
            vec(select(["\"", "1", "23", "x", ",", ";", "é", " 4"].as_slice()), 1..4),
            0..40,
        ),
    ) {
        let lines: Vec<String> = lines.into_iter().map(|parts| parts.concat()).collect();
        let list = format!("permissionId\n{}\n", lines.join("\n"));
        let mut rows = open(list.as_bytes(), 1000, None).unwrap();
        for (index, line) in lines.iter().enumerate() {
            let row = rows.next_row().unwrap().unwrap();
            prop_assert_eq!(row.line, index as u64 + 2);
            prop_assert_eq!(row.cell, line.as_bytes());
            let digits = line.trim();
            if digits.bytes().all(|byte| byte.is_ascii_digit()) {
                prop_assert_eq!(row.id.map(PermissionId::get), Ok(digits.parse().unwrap()));
            }
        }
        prop_assert_eq!(rows.next_row().unwrap(), None);
    }

    #[test]
    fn a_list_in_any_form_gives_exactly_its_ids_lines_and_rejects(list in list()) {
        let (bytes, expected) = list.write();
        let rows = open(&bytes, list.step, list.asked()).unwrap();
        let (census, handed) = frozen(rows, list.batch_size).unwrap();
        adds_up(&census, &handed, list.batch_size);
        prop_assert_eq!(handed.ids, expected.ids);
        prop_assert_eq!(handed.rejects, expected.rejects);
        prop_assert_eq!(census.input_sha256, sha256(&bytes));
        let header = if list.header || list.columns > 1 {
            list.name
        } else {
            "column 1 (no header)"
        };
        prop_assert_eq!(census.column, header);
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a form of its own")]
struct List {
    cells: Vec<Cell>,
    columns: usize,
    id_column: usize,
    name: &'static str,
    header: bool,
    separator: char,
    quoted: bool,
    line_end: &'static str,
    last_line_ends: bool,
    mark: bool,
    encoding: Encoding,
    storage: Storage,
    step: usize,
    batch_size: usize,
}

#[derive(Clone, Debug)]
enum Cell {
    Id(i64),
    Invalid(&'static str, InvalidId),
    BlankLine,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Encoding {
    Utf8,
    Utf16Little,
    Utf16Big,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Storage {
    Plain,
    Gzip,
    /// Two members, as `cat a.gz b.gz` makes them.
    GzipTwice,
    Zstd,
}

fn list() -> impl Strategy<Value = List> {
    let damaged = [
        ("1.02E+09", InvalidId::Scientific),
        ("12.5", InvalidId::Decimal),
        ("-7", InvalidId::OutOfRange),
        ("0", InvalidId::OutOfRange),
        ("9223372036854775808", InvalidId::OutOfRange),
        ("1 234 567", InvalidId::Grouped),
        ("none", InvalidId::Placeholder),
        ("'7", InvalidId::Surrounded),
        ("x7", InvalidId::Surrounded),
        ("x7y8", InvalidId::NotANumber),
    ];
    let cell = prop_oneof![
        8 => (1..40_i64).prop_map(Cell::Id),
        2 => (1..=i64::MAX).prop_map(Cell::Id),
        2 => select(damaged.to_vec()).prop_map(|(text, reason)| Cell::Invalid(text, reason)),
        1 => Just(Cell::BlankLine),
    ];
    let names = ["permissionId", "TRADING_PERMISSION_ID", "Ticket"];
    let storages = [
        Storage::Plain,
        Storage::Gzip,
        Storage::GzipTwice,
        Storage::Zstd,
    ];
    let form = (
        1..5_usize,
        any::<prop::sample::Index>(),
        select(names.to_vec()),
        any::<[bool; 4]>(),
        select([',', ';', '\t'].as_slice()),
        select(["\n", "\r\n", "\r"].as_slice()),
        select(storages.to_vec()),
        prop_oneof![
            2 => Just(Encoding::Utf8),
            1 => Just(Encoding::Utf16Little),
            1 => Just(Encoding::Utf16Big),
        ],
    );
    (vec(cell, 0..60), form, 1..5000_usize, 1..9_usize).prop_map(
        |(cells, form, step, batch_size)| {
            let (columns, id_column, name, flags, separator, line_end, storage, encoding) = form;
            let [header, quoted, last_line_ends, mark] = flags;
            List {
                cells,
                columns,
                id_column: id_column.index(columns),
                name,
                header,
                separator,
                quoted,
                line_end,
                last_line_ends,
                mark,
                encoding,
                storage,
                step,
                batch_size,
            }
        },
    )
}

impl List {
    /// Only a name of the vendor's own has to be asked for.
    fn asked(&self) -> Option<&'static str> {
        (self.name == "Ticket" && self.columns > 1).then_some("ticket")
    }

    /// The list's bytes, and what is to come of them.
    fn write(&self) -> (Vec<u8>, Handed) {
        let mut text = String::from(if self.mark { "\u{feff}" } else { "" });
        let mut expected = Handed::default();
        let mut seen = std::collections::HashSet::new();
        let mut line = 1;
        if self.header || self.columns > 1 {
            let spanned = self.push_record(&mut text, self.name, "column");
            line += spanned;
        }
        for cell in &self.cells {
            let (cell, rejection) = match cell {
                Cell::BlankLine => {
                    text.push_str(self.line_end);
                    line += 1;
                    continue;
                }
                Cell::Id(id) if seen.insert(*id) => {
                    expected.ids.push((*id, line));
                    (id.to_string(), None)
                }
                Cell::Id(id) => (id.to_string(), Some(Rejection::Duplicate)),
                Cell::Invalid(cell, reason) => {
                    ((*cell).to_owned(), Some(Rejection::Invalid(*reason)))
                }
            };
            expected
                .rejects
                .extend(rejection.map(|reason| (line, reason)));
            line += self.push_record(&mut text, &cell, "Doe, J; \"J\"\tJr");
        }
        if !self.last_line_ends && text.ends_with(self.line_end) {
            text.truncate(text.len() - self.line_end.len());
        }
        (self.store(&self.encode(text)), expected)
    }

    /// Adds a record and returns how many lines it takes. Every second
    /// record of a quoted table holds a cell of two lines.
    fn push_record(&self, text: &mut String, cell: &str, other: &str) -> u64 {
        let mut lines = 1;
        for column in 0..self.columns {
            if column > 0 {
                text.push(self.separator);
            }
            if column == self.id_column {
                if self.quoted {
                    write!(text, "\"{cell}\"").unwrap();
                } else {
                    text.push_str(cell);
                }
            } else if self.quoted {
                let second = if text.len().is_multiple_of(2) {
                    self.line_end
                } else {
                    ""
                };
                lines += u64::from(!second.is_empty());
                let other = other.replace('"', "\"\"");
                write!(text, "\"{other}{second}{column}\"").unwrap();
            } else {
                write!(text, "other {column}").unwrap();
            }
        }
        text.push_str(self.line_end);
        lines
    }

    fn encode(&self, mut text: String) -> Vec<u8> {
        // One character alone says nothing of its encoding.
        if self.encoding != Encoding::Utf8 && text.len() < 2 {
            text.insert(0, '\u{feff}');
        }
        let units = text.encode_utf16();
        match self.encoding {
            Encoding::Utf8 => text.into_bytes(),
            Encoding::Utf16Little => units.flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Big => units.flat_map(u16::to_be_bytes).collect(),
        }
    }

    fn store(&self, text: &[u8]) -> Vec<u8> {
        let middle = text.len() / 2;
        match self.storage {
            Storage::Plain => text.to_vec(),
            Storage::Gzip => gzip(text),
            Storage::GzipTwice => [gzip(&text[..middle]), gzip(&text[middle..])].concat(),
            Storage::Zstd => zstd::encode_all(text, 3).unwrap(),
        }
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn read_all(bytes: &[u8]) -> Result<usize, ListError> {
    let mut rows = open(bytes, 7, None)?;
    let mut count = 0;
    while let Some(Row { .. }) = rows.next_row()? {
        count += 1;
    }
    Ok(count)
}

#[test]
fn a_cut_off_compressed_list_is_an_error_and_never_shorter() {
    let text: String = (1..300).map(|id| (id * 7919).to_string() + "\n").collect();
    let stored = [
        gzip(text.as_bytes()),
        zstd::encode_all(text.as_bytes(), 3).unwrap(),
    ];
    for (stored, name) in stored.iter().zip(["gzip", "zstd"]) {
        assert_eq!(read_all(stored).unwrap(), 299);
        // Fewer than four bytes do not show what they are the start of.
        for len in 4..stored.len() {
            let error = read_all(&stored[..len]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("list.csv is cut off: its {name} data ends too early"),
                "{len}"
            );
        }
    }
}

#[test]
fn a_compressed_list_that_is_damaged_is_an_error() {
    let text: String = (1..300).map(|id| id.to_string() + "\n").collect();
    let mut stored = gzip(text.as_bytes());
    let middle = stored.len() - 6;
    stored[middle] ^= 1;
    let error = read_all(&stored).unwrap_err();
    assert!(matches!(error, ListError::Damaged { .. }), "{error}");
    let trailing = [gzip(b"1\n"), b"and something that is no gzip".to_vec()].concat();
    let error = read_all(&trailing).unwrap_err();
    assert!(matches!(error, ListError::Damaged { .. }), "{error}");
}

#[test]
fn a_list_that_cannot_be_opened_says_which_and_why() {
    let folder = scratch();
    let path = folder.path().join("list.csv");
    let error = |path: &std::path::Path| {
        let opened = Rows::open(&Input::Path(path.to_owned()), None);
        opened.err().unwrap().to_string()
    };
    assert_eq!(error(&path), format!("no such file: {}", path.display()));
    assert_eq!(
        error(folder.path()),
        format!("{} is a directory, not a list", folder.path().display())
    );
    std::fs::write(&path, "1\n2\n").unwrap();
    let rows = Rows::open(&Input::Path(path), None).unwrap();
    assert_eq!(rows.input_len(), Some(4));
    let (census, _) = frozen(rows, 100).unwrap();
    assert_eq!((census.total, census.input_sha256), (2, sha256(b"1\n2\n")));
}

#[test]
fn a_list_means_the_same_in_every_form() {
    let table = "userId;permissionId\n8;0011\n8;12\n8;12\n";
    let (one, _) = frozen(open(b"11\n12\n", 9, None).unwrap(), 1).unwrap();
    let (other, _) = frozen(open(table.as_bytes(), 9, None).unwrap(), 2).unwrap();
    assert_eq!(one.list_sha256, other.list_sha256);
    assert_eq!(one.list_sha256, sha256(b"11\n12\n"));
    assert_ne!(one.input_sha256, other.input_sha256);
}

#[test]
fn a_long_list_is_read_alike_however_its_bytes_arrive() {
    let expected: Vec<(i64, u64)> = (2..=100_000_u32)
        .map(|line| (i64::from(line) * 37, line.into()))
        .collect();
    for (header, rest) in [("permissionId", ""), ("permissionId;note", ";\"a;b\"")] {
        let rows: String = expected
            .iter()
            .map(|(id, _)| id.to_string() + rest + "\r\n")
            .collect();
        // Each blank moves every line end by a byte against the edges of
        // what is read at once.
        for (shift, step) in [(0, 1 << 20), (1, 1 << 16), (2, 4096), (3, 101)] {
            let list = format!("{header}{}\r\n{rows}", " ".repeat(shift));
            let (census, handed) = frozen(open(list.as_bytes(), step, None).unwrap(), 100).unwrap();
            adds_up(&census, &handed, 100);
            assert!(handed.ids == expected, "{header} {shift}");
        }
    }
}

#[test]
fn a_dash_is_standard_input() {
    assert_eq!(Input::from(PathBuf::from("-")), Input::Stdin);
    let named = Input::from(PathBuf::from("./-"));
    assert_eq!(named, Input::Path(PathBuf::from("./-")));
}
