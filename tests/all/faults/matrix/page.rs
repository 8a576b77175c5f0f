//! `tests/faults.md`: made from what is tested.

use std::{
    env,
    fmt::Write,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::{column::COLUMNS, row::Section};

/// The rows as tables.
pub(super) fn table(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let titles = COLUMNS.map(super::column::Column::title);
        writeln!(text, "### {}\n", section.title).unwrap();
        writeln!(text, "| | {} |", titles.join(" | ")).unwrap();
        writeln!(text, "|---|{}", "---|".repeat(titles.len())).unwrap();
        for row in &section.rows {
            let cells = COLUMNS.map(|column| row.expect.of(column));
            writeln!(text, "| {} | {} |", row.name, cells.join(" | ")).unwrap();
        }
        text.push('\n');
    }
    text.trim().to_owned()
}

/// Asserts that the page says this between its markers of that name; with
/// `UPDATE_GOLDENS` in the environment it is made to.
#[track_caller]
pub(super) fn is_up_to_date(name: &str, wanted: &str) {
    static PAGE: Mutex<()> = Mutex::new(());
    let _alone = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/faults.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("\n<!-- /{name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (inside, after) = rest.split_once(&end).unwrap();
    if env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, [before, &begin, wanted, &end, after].concat()).unwrap();
        return;
    }
    assert!(
        inside == wanted,
        "tests/faults.md is not up to date; UPDATE_GOLDENS=1 cargo test --test all faults"
    );
}
