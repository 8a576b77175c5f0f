//! The settings of a process as the journal keeps them: what is recorded, what
//! a resume takes over, and which differ from the defaults.

use serde_json::{Map, Value};

use super::layers::{LayerValue, ValueOrigin};
use super::{Given, KEYS, Key, Layers, Resolved, Shape, keys::OnResume};

impl Resolved {
    /// The settings as the journal keeps them, by key: a text, or a list of
    /// texts, that reads back to the same value, or null. No secret is among
    /// them.
    pub(crate) fn recorded(&self) -> Map<String, Value> {
        let values = KEYS.iter().map(|key| {
            let texts = key.recorded(&self.settings);
            let value = match key.shape {
                Shape::Many(_) => Value::from(texts),
                _ => Value::from(texts.and_then(|texts| texts.into_iter().next())),
            };
            (key.name.to_owned(), value)
        });
        values.collect()
    }
}

/// The recorded settings that a resume takes over. What this version does not
/// know is passed over: the journal's format has a version of its own.
pub(super) fn from_journal(recorded: &Map<String, Value>) -> impl Iterator<Item = LayerValue> {
    KEYS.iter().filter_map(|key| {
        let texts = texts(key, recorded.get(key.name)?)?;
        (key.on_resume != OnResume::Anew).then_some(LayerValue {
            key,
            texts,
            origin: ValueOrigin::Journal,
        })
    })
}

/// The texts of a recorded value.
fn texts(key: &Key, value: &Value) -> Option<Vec<String>> {
    match (value, key.shape) {
        (Value::Array(values), _) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect(),
        (Value::String(text), Shape::Many(_)) => Some(joined(text)),
        (Value::String(text), _) => Some(vec![text.clone()]),
        _ => None,
    }
}

/// The values of a list that version 0.1.0 recorded as one text with commas
/// between them. A path may hold commas, but each of those was absolute.
fn joined(text: &str) -> Vec<String> {
    if !text.starts_with('/') {
        return text.split(',').map(str::to_owned).collect();
    }
    let paths = text[1..].split(",/");
    paths.map(|path| format!("/{path}")).collect()
}

/// The settings in `recorded` ([`Resolved::recorded`](super::Resolved::recorded))
/// that are not the defaults of their environment. Where a run goes is a fact
/// of its own and not among them; what this version does not know is.
pub(crate) fn changed(recorded: &str) -> Vec<(String, String)> {
    let Ok(recorded) = serde_json::from_str::<Map<String, Value>>(recorded) else {
        return vec![("unreadable".to_owned(), recorded.to_owned())];
    };
    let target: Map<String, Value> = ["env", "base-url"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), recorded.get(name)?.clone())))
        .collect();
    let usual = Layers::gather(&Given::default(), [])
        .and_then(|layers| layers.settle(Some(&target)))
        .map(|effective| effective.recorded())
        .unwrap_or_default();
    let order = |name: &str| KEYS.iter().position(|key| key.name == name);
    let mut changed: Vec<(String, String)> = recorded
        .iter()
        .filter(|(name, _)| !target.contains_key(*name))
        .map(|(name, value)| (name, shown(name, value)))
        .filter(|(name, text)| {
            usual.get(*name).map(|value| shown(name, value)).as_ref() != Some(text)
        })
        .map(|(name, text)| (name.clone(), text))
        .collect();
    changed.sort_by_key(|(name, _)| order(name).unwrap_or(usize::MAX));
    changed
}

/// A recorded value for people.
fn shown(name: &str, value: &Value) -> String {
    let texts = Key::named(name).and_then(|key| texts(key, value));
    match (texts, value.as_str()) {
        (Some(texts), _) => texts.join(", "),
        (None, Some(text)) => text.to_owned(),
        (None, None) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(options: &[(&str, &str)]) -> String {
        let values = options.iter().map(|(name, text)| {
            let key = KEYS.iter().find(|key| key.name == *name).unwrap();
            (key, vec![(*text).to_owned()])
        });
        let given = Given {
            config: None,
            values: values.collect(),
        };
        let effective = Layers::gather(&given, []).unwrap().settle(None).unwrap();
        Value::from(effective.recorded()).to_string()
    }

    #[test]
    fn only_what_differs_is_told_and_a_rate_by_its_environment() {
        assert_eq!(changed(&recorded(&[("env", "sandbox")])), []);
        assert_eq!(changed(&recorded(&[("env", "live")])), []);
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            changed(&recorded(&[
                ("note", "month end"),
                ("env", "live"),
                ("rate", "200/s"),
                ("workers", "8"),
                ("yes", "true"),
                ("verify", "all"),
            ])),
            [
                pair("workers", "8"),
                pair("rate", "200/s"),
                pair("yes", "true"),
                pair("note", "month end"),
            ]
        );
    }

    #[test]
    fn lists_that_version_0_1_0_joined_by_commas_are_read() {
        let recorded = |name: &str, text: &str| {
            let recorded = Map::from_iter([(name.to_owned(), Value::from(text))]);
            let entries: Vec<_> = from_journal(&recorded).map(|entry| entry.texts).collect();
            entries.concat()
        };
        assert_eq!(recorded("rate", "80/m,5/s"), ["80/m", "5/s"]);
        assert_eq!(
            recorded("exclude", "/a,b/keep.csv,/vip.csv"),
            ["/a,b/keep.csv", "/vip.csv"]
        );
        assert_eq!(recorded("max-age", "72h"), ["72h"]);
        // What was the default then is the default now.
        assert_eq!(changed(r#"{"env":"sandbox","rate":"200/s"}"#), []);
    }

    #[test]
    fn what_is_not_known_or_cannot_be_read_is_shown_as_it_is() {
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            changed(r#"{"env":"demo","warp":"9","burst":"1"}"#),
            [pair("warp", "9")]
        );
        assert_eq!(changed("[7"), [pair("unreadable", "[7")]);
    }
}
