//! Any settings file, variables and options: settings that read back to the
//! same, or a problem that is told in harmless words. No secret among them.
//!
//! The settings belong to the binary, so their source is taken in here as it
//! stands there.
#![no_main]
#![expect(
    dead_code,
    unused_imports,
    reason = "the binary uses more of it than is attacked here"
)]

#[path = "."]
mod cli {
    #[path = "../../../src/cli/error.rs"]
    pub(crate) mod error;
    #[path = "../../../src/cli/exit.rs"]
    mod exit;
    #[path = "../../../src/cli/settings/mod.rs"]
    pub(crate) mod settings;
}

use std::{ffi::OsString, os::unix::ffi::OsStrExt};

use cli::{
    error::CliError,
    settings::{Given, KEYS, Layers},
};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "s3cret-7f3a";

fn is_harmless(problem: &CliError) {
    let mut said = Vec::new();
    problem.print(&mut said).unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("error: ") && said.len() > "error: \n".len());
    assert!(
        !said.contains(|c: char| c.is_control() && c != '\n'),
        "{said:?}"
    );
    assert!(!said.contains(SECRET), "{said}");
}

// Parts are separated by NUL: the file, then variables (without their common
// beginning) and options in turn, each as `name=value`.
fuzz_target!(|input: &[u8]| {
    // Whoever draws the token itself, from what it is compared with, may find
    // it again.
    if input
        .windows(SECRET.len())
        .any(|part| part == SECRET.as_bytes())
    {
        return;
    }
    let mut parts = input.split(|byte| *byte == 0);
    let file = parts.next().unwrap_or_default();
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let path = folder.path().join("rescind.toml");
    std::fs::write(&path, file).unwrap();
    let mut variables: Vec<(OsString, OsString)> = vec![
        ("RESCIND_TOKEN".into(), SECRET.into()),
        ("PATH".into(), "/bin".into()),
    ];
    let mut given = Given {
        config: (!file.is_empty()).then_some(path),
        values: Vec::new(),
    };
    for (index, part) in parts.take(16).enumerate() {
        let at = part
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(part.len());
        let (name, value) = (&part[..at], part.get(at + 1..).unwrap_or_default());
        if index % 2 == 0 {
            let name = [b"RESCIND_", name].concat();
            // Whoever calls a variable like the token has told it already.
            if name
                .windows(SECRET.len())
                .any(|part| part == SECRET.as_bytes())
            {
                return;
            }
            variables.push((
                std::ffi::OsStr::from_bytes(&name).to_owned(),
                std::ffi::OsStr::from_bytes(value).to_owned(),
            ));
        } else if let Some(key) = KEYS.iter().find(|key| key.name.as_bytes() == name) {
            let value = String::from_utf8_lossy(value).into_owned();
            given.values.push((key, vec![value]));
        }
    }
    let settled = Layers::gather(&given, variables).and_then(|layers| layers.settle(None));
    let effective = match settled {
        Ok(effective) => effective,
        Err(problem) => return is_harmless(&problem),
    };
    let mut listed = Vec::new();
    effective.list(&mut listed).unwrap();
    let listed = String::from_utf8(listed).unwrap();
    assert!(!listed.contains(SECRET), "{listed}");
    assert!(
        !listed.contains(|c: char| c.is_control() && c != '\n'),
        "{listed:?}"
    );

    // What is recorded is what a resume takes up.
    let recorded = effective.recorded();
    let nothing = Layers::gather(&Given::default(), Vec::new()).unwrap_or_else(|_| unreachable!());
    match nothing.settle(Some(&recorded)) {
        Ok(resumed) => {
            // What belongs to one process alone is not taken up.
            let fresh = nothing
                .settle(None)
                .unwrap_or_else(|_| unreachable!())
                .recorded();
            for (name, value) in resumed.recorded() {
                let kept = recorded.get(&name) == Some(&value) || fresh.get(&name) == Some(&value);
                assert!(kept, "{name}: {value}");
            }
        }
        Err(problem) => {
            is_harmless(&problem);
            panic!("what was recorded is refused: {problem:?}");
        }
    }
});
