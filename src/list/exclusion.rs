//! The IDs that must never be revoked, from lists of their own.
//!
//! They are read by the same reader as the list itself, but strictly: a file
//! that cannot be read, or of which one row cannot, excludes who knows what,
//! and is an error.

use std::path::PathBuf;

use rustc_hash::FxHashMap;

use super::{Input, InvalidId, ListError, PermissionId, Row, Rows};

/// The IDs that must never be revoked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exclusion {
    files: Vec<PathBuf>,
    /// Each ID with the place of the first file that names it.
    ids: FxHashMap<PermissionId, usize>,
}

/// Why the IDs that must never be revoked are not known.
#[derive(Debug, thiserror::Error)]
pub enum ExclusionError {
    /// A file cannot be read, or its ID column cannot be told.
    #[error(transparent)]
    List(#[from] ListError),
    /// A row of a file holds no ID.
    #[error("line {line} of {} holds no ID: {reason}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Where the row starts.
        line: u64,
        /// What is wrong with it.
        reason: InvalidId,
    },
}

impl Exclusion {
    /// Reads the files. A file has its IDs in the column `id_column`, if that
    /// is given and there is one, and else in the column that is found by its
    /// name.
    ///
    /// # Errors
    /// A file cannot be read, its ID column cannot be told, or a row of it
    /// holds no ID.
    pub fn read(
        files: impl IntoIterator<Item = PathBuf>,
        id_column: Option<&str>,
    ) -> Result<Self, ExclusionError> {
        let mut exclusion = Self::default();
        for file in files {
            let place = exclusion.files.len();
            let mut rows = open(&Input::Path(file.clone()), id_column)?;
            while let Some(Row { line, id, .. }) = rows.next_row()? {
                match id {
                    Ok(id) => {
                        exclusion.ids.entry(id).or_insert(place);
                    }
                    Err(reason) => return Err(ExclusionError::Invalid { file, line, reason }),
                }
            }
            rows.finish()?;
            exclusion.files.push(file);
        }
        Ok(exclusion)
    }

    /// How many IDs are excluded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing is excluded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The files that were read.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The file that excludes this ID.
    #[must_use]
    #[inline]
    pub fn excludes(&self, id: PermissionId) -> Option<&PathBuf> {
        self.ids.get(&id).map(|place| &self.files[*place])
    }
}

/// The column of the list need not be a column here, too: an export of the
/// API's may go with a list of one's own.
fn open(input: &Input, id_column: Option<&str>) -> Result<Rows, ListError> {
    match Rows::open(input, id_column) {
        Err(ListError::NoSuchColumn { .. } | ListError::NoHeader { .. }) => Rows::open(input, None),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(files: &[(&str, &str)], id_column: Option<&str>) -> Result<Exclusion, ExclusionError> {
        let folder = tempfile::tempdir().unwrap();
        let paths = files.iter().map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        });
        Exclusion::read(paths.collect::<Vec<_>>(), id_column)
    }

    fn id(number: i64) -> PermissionId {
        number.try_into().unwrap()
    }

    #[test]
    fn the_ids_of_every_file_are_excluded() {
        let files = [
            ("keep.csv", "permissionId\n1\n2\n1\n"),
            ("vip.tsv", "x\tid\tuserId\n9\t3\t8\n9\t2\t8\n"),
            ("bare.csv", "4\n"),
        ];
        let exclusion = read(&files, None).unwrap();
        assert_eq!(exclusion.len(), 4);
        let file = |number| {
            let file = exclusion.excludes(id(number))?;
            file.file_name()?.to_str()
        };
        assert_eq!(
            [1, 2, 3, 4].map(file),
            ["keep.csv", "keep.csv", "vip.tsv", "bare.csv"].map(Some)
        );
        assert_eq!(file(9), None);
    }

    #[test]
    fn the_column_asked_for_is_taken_where_there_is_one() {
        let both = "permissionId,Number\n1,2\n";
        assert!(
            read(&[("a", both)], Some("Number"))
                .unwrap()
                .excludes(id(2))
                .is_some()
        );
        for other in ["permissionId,x\n1,2\n", "id\n1\n", "1\n"] {
            assert!(
                read(&[("a", other)], Some("Number"))
                    .unwrap()
                    .excludes(id(1))
                    .is_some()
            );
        }
    }

    #[test]
    fn a_half_understood_exclusion_file_is_an_error() {
        let error = read(&[("a", "1\n2\n1.02E+09\n3\n")], None)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("line 3 of "), "{error}");
        assert!(error.contains("scientific notation"), "{error}");
        assert!(read(&[("a", "x,y\n1,2\n")], None).is_err());
        assert!(Exclusion::read([PathBuf::from("/no/such/file")], None).is_err());
    }
}
