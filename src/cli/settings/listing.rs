//! What `rescind config` prints: every setting, its value and its origin.

use std::io::{self, Write};

use super::{Effective, KEYS, tokens::TOKENS};

impl Effective {
    /// Writes the table. Of a secret it tells only that it is set.
    pub(crate) fn list(&self, out: &mut dyn Write) -> io::Result<()> {
        let settings = KEYS.iter().map(|key| {
            let value = (key.show)(&self.settings).unwrap_or_else(|| "-".to_owned());
            [key.name.to_owned(), value, self.origin(key).label(key)]
        });
        let tokens = TOKENS.into_iter().map(|name| {
            let set = self.tokens.iter().any(|(token, _)| *token == name);
            let (value, state) = if set {
                ("***", "set")
            } else {
                ("-", "not set")
            };
            [name, value, state].map(str::to_owned)
        });
        let rows: Vec<_> = settings.chain(tokens).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let (names, values) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
        for [name, value, origin] in &rows {
            writeln!(out, "{name:names$}  {value:values$}  {origin}")?;
        }
        Ok(())
    }
}
