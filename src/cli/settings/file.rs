//! The settings file: TOML, the known keys and [tables](super::tables), no
//! secrets.

use std::path::Path;

use rescind::bounded_file;

use toml::de::{DeTable, DeValue};

use super::{
    KEYS, Key, Shape,
    access::SECRETS,
    layers::{LayerValue, ValueOrigin, nearest, refuse, unknown},
    values::ValueError,
};
use crate::cli::error::CliError;

/// Far more than any settings.
const LARGEST: usize = 1024 * 1024;

/// More names than anybody reads.
const MANY: usize = 10;

/// Reads the keys of a settings file.
pub(super) fn read_file(path: &Path) -> Result<Vec<LayerValue>, CliError> {
    let text = bounded_file::text(path, LARGEST).map_err(|error| {
        CliError::usage(format!("cannot read the settings file {}", path.display()))
            .caused_by(&error)
    })?;
    // The parser's own rendering quotes the line, which could hold a secret.
    let table = DeTable::parse(&text).map_err(|error| {
        let line = line(&text, error.span().map_or(0, |span| span.start));
        CliError::usage(format!("{}: {}", at(path, line), error.message()))
    })?;
    let entries = table.get_ref().iter().map(|(name, value)| {
        let line = line(&text, name.span().start);
        let Some(key) = Key::named(name.get_ref()) else {
            return Err(unknown_key(&at(path, line), name.get_ref()));
        };
        let origin = ValueOrigin::File(path.to_path_buf(), line);
        if let Shape::Table(structure) = key.shape {
            return match structure(value.clone()) {
                Ok(text) => Ok(LayerValue {
                    key,
                    texts: vec![text],
                    origin,
                }),
                Err(error) => {
                    let line = error
                        .span()
                        .map_or(line, |span| self::line(&text, span.start));
                    Err(misread(
                        &format!("{}: {name}", at(path, line)),
                        error.message(),
                    ))
                }
            };
        }
        match texts_of(key, value.get_ref()) {
            Ok(texts) => Ok(LayerValue { key, texts, origin }),
            Err(complaint) => Err(refuse(&origin.subject(key), complaint)),
        }
    });
    entries.collect()
}

/// The line that a byte of the file stands on.
fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

/// A line of a file, as compilers write it.
pub(super) fn at(path: &Path, line: usize) -> String {
    format!("{}:{line}", path.display())
}

/// The values of a key as options would write them.
fn texts_of(key: &Key, value: &DeValue<'_>) -> Result<Vec<String>, ValueError> {
    let one = |text: String| Ok(vec![text]);
    match value {
        DeValue::String(text) => one(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => one(number.as_str().to_owned()),
        DeValue::Float(number) => one(number.as_str().to_owned()),
        DeValue::Boolean(truth) => one(truth.to_string()),
        DeValue::Array(parts) if matches!(key.shape, Shape::Many(_)) => {
            let texts = parts.iter().map(|part| match part.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                other => Err(ValueError::new(format!(
                    "is a list with a {}, not of texts",
                    other.type_str()
                ))),
            });
            texts.collect()
        }
        other => Err(ValueError::new(format!(
            "cannot be written as {}",
            other.type_str()
        ))),
    }
}

/// What is wrong in a table, in serde's words. Of a misspelt key with very
/// many others only the nearest is named.
fn misread(place: &str, words: &str) -> CliError {
    let mut problem = CliError::usage(format!("{place}: {words}"));
    let Some(rest) = words.strip_prefix("unknown field `") else {
        return problem;
    };
    let mut names = rest.split('`').step_by(2).map(str::to_owned);
    let wrong = names.next().unwrap_or_default();
    let known: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    if known.len() > MANY {
        problem.message = format!("{place}: unknown field `{wrong}`");
    }
    problem.hint = nearest(&wrong, known.into_iter()).map(|name| format!("did you mean {name}?"));
    problem
}

fn unknown_key(place: &str, name: &str) -> CliError {
    let plain = name.to_lowercase();
    let secret = ["token", "password", "secret"]
        .iter()
        .any(|word| plain.contains(word));
    if secret || plain.split(['-', '_']).any(|word| word == "sec") {
        return CliError::usage(format!("{place}: a settings file holds no secrets")).hint(
            format!(
                "take the line out, and set a variable instead: {}",
                SECRETS.join(", ")
            ),
        );
    }
    let known = KEYS.iter().map(|key| key.name.to_owned());
    unknown(&format!("{place}: unknown key {name:?}"), name, known)
}
