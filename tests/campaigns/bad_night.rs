//! The bad night that is shipped as an example.

use std::{collections::BTreeSet, fs, time::Duration};

use rescind::sandbox::{Kind, World};

use crate::support::{
    process::{Running, rescind, table},
    scratch,
};

/// As the README has it, to its end: whatever happens meanwhile, the claims
/// are what the world holds.
#[test]
fn the_shipped_bad_night_is_got_over() {
    let home = scratch();
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = rescind(home.path());
    command.args(["run", "--config", &format!("{root}/configs/bad-night.toml")]);
    command.arg(format!("{root}/samples/messy.csv"));
    Running::start(&mut command)
        .end_within(Duration::from_mins(15))
        .with(3)
        .shows("NOT ALL REVOKED in the SANDBOX: 12 of 4,017 IDs are not revoked.")
        .says("logged in")
        .says("time penalty: no call for")
        .says("lockout (429): no call for")
        .says("lockout (captcha): no call for")
        .says("in doubt");
    let runs = home.path().join("runs");
    let run = fs::canonicalize(runs.join("latest")).unwrap();
    let config = fs::read_to_string(format!("{root}/configs/bad-night.toml")).unwrap();
    let mut config: toml::Table = config.parse().unwrap();
    let rules = config.remove("sandbox").unwrap().try_into().unwrap();
    let truth = World::look(rules, &run.join("sandbox.world"))
        .unwrap()
        .truth();
    let claimed = table(&run.join("permissions.csv")).into_iter();
    let claimed = claimed.filter(|row| row[2] == "revoked");
    let claimed: BTreeSet<String> = claimed.map(|row| row[0].clone()).collect();
    // What was revoked from the beginning is claimed, too.
    let revoked: BTreeSet<String> = truth.revoked.keys().map(ToString::to_string).collect();
    assert!(revoked.is_subset(&claimed));
    assert!(claimed.difference(&revoked).all(|id| id.ends_with("0409")));
    assert_eq!(claimed.len(), 4_005);
    assert!(truth.mistakes.is_empty(), "{:?}", truth.mistakes);
    assert!(truth.posted_again().is_empty());
    assert!(truth.count(Kind::LogIn) >= 2 && truth.count(Kind::Renew) >= 1);
}
