//! A file that the user names to be written: replaced whole and at once, or
//! left as it was.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::exit;
use crate::cli::error::CliError;

/// Writes what `render` writes to `path`. A new file is the owner's alone; one
/// that is replaced keeps its mode. A device or a pipe is written to as it is,
/// also where a link leads to it (`/dev/stdout`); no other link is followed.
pub(super) fn write(
    path: &Path,
    render: impl FnOnce(&mut dyn Write) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let unwritable = |error: io::Error| {
        CliError::new(exit::ERROR, format!("cannot write {}", path.display())).caused_by(&error)
    };
    let existing = fs::metadata(path).ok();
    if existing
        .as_ref()
        .is_some_and(|it| !it.is_file() && !it.is_dir())
    {
        let file = OpenOptions::new().write(true).open(path);
        let mut out = BufWriter::new(file.map_err(unwritable)?);
        render(&mut out)?;
        return out.flush().map_err(unwritable);
    }
    if path.is_symlink() {
        let error = io::Error::other("it is a symbolic link, and nothing is written through one");
        return Err(unwritable(error)
            .hint("name the file itself; without --output it goes to standard output"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Readable by the owner only: the crate makes it so.
    let mut aside = tempfile::Builder::new()
        .prefix(".rescind-")
        .tempfile_in(folder)
        .map_err(|error| {
            // It would name a file that nobody asked for.
            unwritable(if folder.is_dir() {
                error.kind().into()
            } else {
                io::Error::other(format!("there is no folder {}", folder.display()))
            })
        })?;
    let mut out = BufWriter::new(&mut aside);
    render(&mut out)?;
    out.flush().map_err(unwritable)?;
    drop(out);
    if let Some(existing) = existing {
        let mode = existing.permissions().mode() & 0o777;
        let kept = aside
            .as_file()
            .set_permissions(Permissions::from_mode(mode));
        kept.map_err(unwritable)?;
    }
    aside.as_file().sync_all().map_err(unwritable)?;
    aside
        .persist(path)
        .map_err(|error| unwritable(error.error))?;
    Ok(())
}
