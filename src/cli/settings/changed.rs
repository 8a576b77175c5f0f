//! Which settings of a process, as the journal keeps them, differ from the
//! defaults.

use serde_json::{Map, Value};

use super::{Given, KEYS, Layers};

/// The settings in `recorded` ([`Effective::recorded`](super::Effective::recorded))
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
        .filter(|(name, value)| !target.contains_key(*name) && usual.get(*name) != Some(*value))
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
        .collect();
    changed.sort_by_key(|(name, _)| order(name).unwrap_or(usize::MAX));
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(options: &[(&str, &str)]) -> String {
        let values = options.iter().map(|(name, text)| {
            let key = KEYS.iter().find(|key| key.name == *name).unwrap();
            (key, (*text).to_owned())
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
    fn what_is_not_known_or_cannot_be_read_is_shown_as_it_is() {
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            changed(r#"{"env":"demo","warp":"9","burst":"1"}"#),
            [pair("warp", "9")]
        );
        assert_eq!(changed("[7"), [pair("unreadable", "[7")]);
    }
}
