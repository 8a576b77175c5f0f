//! `summary.json` is what its schema says, in every run that a test looks at.

use std::{fs, path::Path, sync::OnceLock};

use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../../src/report/summary.schema.json");

fn schema() -> &'static Value {
    static READ: OnceLock<Value> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(SCHEMA).unwrap())
}

/// What is wrong with a summary; nothing, if all of it is described.
fn faults(summary: &Value) -> Vec<String> {
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

fn mixed() -> Value {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report");
    let text = fs::read_to_string(fixtures.join("mixed/summary.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_schema_is_one_and_describes_a_run_in_which_everything_happens() {
    jsonschema::meta::validate(schema()).unwrap();
    described(mixed());
}

#[test]
fn what_the_schema_does_not_say_is_noticed() {
    type Spoil = fn(&mut Value);
    let spoilt: [(Spoil, &str); 8] = [
        (|it| it["schema_version"] = json!(2), "/schema_version"),
        (|it| it["ids"]["revoked"] = json!("11"), "/ids/revoked"),
        (|it| it["ids"]["lost"] = json!(0), "/ids/lost"),
        (
            |it| it["started_at"] = json!("2026-11-23 02:00"),
            "/started_at",
        ),
        (
            |it| it["outcomes"][0]["state"] = json!("done"),
            "/outcomes/0/state",
        ),
        (
            |it| it["outcomes"][0]["more"] = json!(1),
            "/outcomes/0/more",
        ),
        (|it| it["token"] = json!("secret"), "/token"),
        (
            |it| drop(it.as_object_mut().unwrap().remove("approve")),
            "\"approve\"",
        ),
    ];
    for (spoil, told) in spoilt {
        let mut summary = mixed();
        spoil(&mut summary);
        let faults = faults(&summary);
        assert!(
            faults.iter().any(|fault| fault.contains(told)),
            "{told}: {faults:?}"
        );
    }
}
