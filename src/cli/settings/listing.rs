//! What `rescind config` prints: every setting, its value and its origin.

use std::io::{self, Write};

use rescind::report::visible;

use super::{KEYS, Resolved, access::SECRETS};

impl Resolved {
    /// Writes the table. Of a secret it tells only that it is set.
    pub(crate) fn list(&self, out: &mut dyn Write) -> io::Result<()> {
        let settings = KEYS.iter().flat_map(|key| {
            let mut values = match key.lines {
                Some(lines) => lines(&self.settings),
                None => key.texts(&self.settings).unwrap_or_default(),
            };
            if values.is_empty() {
                values.push("-".to_owned());
            }
            let origin = self.origin(key).label(key);
            let row = move |value: String| {
                [key.name, &value, &origin].map(|cell| visible(cell).into_owned())
            };
            values.into_iter().map(row)
        });
        let secrets = SECRETS.into_iter().map(|name| {
            let set = self.secrets.iter().any(|(secret, _)| *secret == name);
            let (value, state) = if set {
                ("***", "set")
            } else {
                ("-", "not set")
            };
            [name, value, state].map(str::to_owned)
        });
        let rows: Vec<_> = settings.chain(secrets).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let (names, values) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
        for [name, value, origin] in &rows {
            writeln!(out, "{name:names$}  {value:values$}  {origin}")?;
        }
        Ok(())
    }
}
