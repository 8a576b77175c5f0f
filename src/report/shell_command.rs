//! Commands and paths to be typed as they are printed.

use std::path::Path;

use crate::report::format::visible;

/// What to type to have something done with the run in `folder`.
pub(super) fn command(verb: &str, run: &str, folder: &Path) -> String {
    let mut command = format!("rescind {verb} {run}");
    let runs = folder.parent().unwrap_or(folder);
    if runs != Path::new("runs") {
        command.push_str(" --runs-dir ");
        command.push_str(&quoted(runs));
    }
    command
}

/// A path as a shell takes it, and a terminal too.
pub(super) fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    // It must not be taken for an option.
    let path = if path.starts_with('-') {
        format!("./{path}")
    } else {
        path.into_owned()
    };
    let path = visible(&path);
    shlex::try_quote(&path).map_or_else(|_| path.clone().into_owned(), std::borrow::Cow::into_owned)
}
