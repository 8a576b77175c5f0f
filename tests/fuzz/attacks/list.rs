//! Any bytes as a list: an error that can be shown, or rows that add up, and
//! the same however the bytes arrive.

use std::{
    collections::HashSet,
    io::{self, Cursor, Read},
    num::NonZeroUsize,
};

use rescind::list::{Frozen, Rows, freeze};

/// Hands out so many bytes at a time.
struct Steps(Cursor<Vec<u8>>, usize);

impl Read for Steps {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = self.1.min(buffer.len());
        self.0.read(&mut buffer[..step])
    }
}

/// Everything that comes of a list, as text.
fn told(bytes: &[u8], step: usize, column: Option<&str>) -> Result<String, String> {
    let reader = Steps(Cursor::new(bytes.to_vec()), step);
    let rows =
        Rows::from_reader("list", Box::new(reader), column).map_err(|error| error.to_string())?;
    let mut told = String::new();
    let (mut ids_seen, mut rejects, mut batches) = (HashSet::new(), 0, 0);
    let mut lines_seen = HashSet::new();
    let census = freeze(rows, NonZeroUsize::new(3).unwrap(), |frozen| {
        match frozen {
            Frozen::Batch { ids, lines } => {
                assert!(!ids.is_empty() && ids.len() <= 3 && ids.len() == lines.len());
                batches += 1;
                for (id, line) in ids.iter().zip(lines) {
                    assert!(id.get() > 0 && ids_seen.insert(*id));
                    assert!(lines_seen.insert(*line));
                }
            }
            Frozen::Reject { line, value, .. } => {
                assert!(value.chars().count() <= 101);
                assert!(lines_seen.insert(line));
                rejects += 1;
            }
        }
        told.push_str(&format!("{frozen:?}\n"));
        Ok::<_, std::convert::Infallible>(())
    })
    .map_err(|error| error.to_string())?;
    assert!(census.adds_up());
    assert_eq!(census.distinct, ids_seen.len() as u64);
    assert_eq!(census.duplicate + census.invalid, rejects);
    assert_eq!(census.batches, batches);
    told.push_str(&format!("{census:?}"));
    Ok(told)
}

/// The first byte says which column is asked for and how the bytes arrive;
/// the others are the list.
pub(crate) fn attack(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    let column = [None, Some("id"), Some("permissionId"), Some("x")][usize::from(first & 3)];
    let step = 1 + usize::from(first >> 2);
    let whole = told(bytes, usize::MAX, column);
    if let Err(error) = &whole {
        assert!(!error.is_empty());
    }
    // Byte by byte a large list takes too long.
    if bytes.len() < 4096 {
        assert_eq!(whole, told(bytes, step, column));
    }
}
