//! The page in a real browser: that its tables can be sorted, narrowed and
//! searched by mouse and by keyboard, that it is whole without its script,
//! that it fits a phone and paper, that it can be read by everybody, and that
//! it loads nothing and does nothing else.
//!
//! `cargo test --test browser` runs this. It needs a Chromium, and fails
//! where there is none.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chromium;
mod page;
mod reading;
mod tables;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// The page of a run that the binary carried out in its sandbox.
fn swept() -> PathBuf {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    let home = RUN.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/messy.csv");
        let ran = Command::new(env!("CARGO_BIN_EXE_rescind"))
            .args(["run", "--env", "sandbox", "--quiet", "--note", "browser"])
            .arg(list)
            .current_dir(home.path())
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(3), "{ran:?}");
        home
    });
    home.path().join("runs/latest/report.html")
}

/// The pages that the other tests compare to the byte: among them one with
/// words from a hostile server, and a run of nothing. They are kept without
/// the style sheet and the script.
fn kept() -> [PathBuf; 5] {
    static WHOLE: OnceLock<TempDir> = OnceLock::new();
    let names = ["mixed/report", "complete", "empty", "held", "running"];
    let file = |name: &str| format!("{}.html", name.replace('/', "-"));
    let whole = WHOLE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: String| fs::read_to_string(root.join(path)).unwrap();
        let part = |name: &str| read(format!("src/report/html/{name}"));
        let home = tempfile::tempdir().unwrap();
        for name in names {
            let page = read(format!("tests/fixtures/report/{name}.html"));
            let page = page.replace("/* style.css */", &part("style.css"));
            let page = page.replace("/* script.js */", &part("script.js"));
            fs::write(home.path().join(file(name)), page).unwrap();
        }
        home
    });
    names.map(|name| whole.path().join(file(name)))
}
