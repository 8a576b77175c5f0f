//! `summary.json` is what its schema says, in every run that a test looks at.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::summary_schema::{described, faults, schema};

fn mixed() -> Value {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report");
    let text = fs::read_to_string(fixtures.join("mixed/summary.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_schema_describes_a_run_in_which_everything_happens() {
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
