//! What `src/report/summary.schema.json` says of a summary.

use std::sync::OnceLock;

use serde_json::Value;

const SCHEMA: &str = include_str!("../../../src/report/summary.schema.json");

/// The schema of `summary.json`.
pub(crate) fn schema() -> &'static Value {
    static READ: OnceLock<Value> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(SCHEMA).unwrap())
}

/// What is wrong with a summary; nothing, if all of it is described.
pub(crate) fn faults(summary: &Value) -> Vec<String> {
    static MADE: OnceLock<jsonschema::Validator> = OnceLock::new();
    let made = MADE.get_or_init(|| jsonschema::validator_for(schema()).unwrap());
    let mut faults: Vec<String> = made
        .iter_errors(summary)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    undescribed(schema(), summary, "", &mut faults);
    faults
}

/// Adds the fields that the schema says nothing about. Readers have to pass
/// over such fields; the program must not write them.
fn undescribed(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    let branches = schema["anyOf"].as_array();
    let schema = branches
        .and_then(|all| all.iter().find(|one| one.get("properties").is_some()))
        .unwrap_or(schema);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}/{name}");
                match schema["properties"].get(name) {
                    Some(described) => undescribed(described, value, &path, faults),
                    None => faults.push(format!(
                        "{path}: not described in src/report/summary.schema.json"
                    )),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                undescribed(&schema["items"], item, &format!("{path}/0"), faults);
            }
        }
        _ => {}
    }
}

/// The same summary, if it is what the schema says.
#[track_caller]
pub(crate) fn described(summary: Value) -> Value {
    assert_eq!(faults(&summary), Vec::<String>::new(), "{summary:#}");
    summary
}
