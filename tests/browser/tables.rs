//! The tables: sorted, narrowed, searched, by mouse and by keyboard.

use serde_json::{Value, json};

use crate::{chromium::Chromium, kept, swept};

fn opened() -> Chromium {
    let mut browser = Chromium::start();
    browser.sized(1280, 900, false);
    browser.open(&swept());
    browser
}

/// The texts of a column, of the rows that are shown.
fn column(browser: &mut Chromium, table: &str, n: usize) -> Vec<String> {
    let texts = browser.eval(&format!(
        "[...document.querySelectorAll('table.{table} tbody tr')]
            .filter((row) => row.checkVisibility())
            .map((row) => row.cells[{n}].textContent.trim())"
    ));
    let texts = texts.as_array().unwrap().iter();
    texts
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn numbers(texts: &[String]) -> Vec<u64> {
    let numbers = texts.iter().map(|text| text.replace(',', "").parse());
    numbers.map(Result::unwrap).collect()
}

fn sorting(browser: &mut Chromium, table: &str) -> Value {
    browser.eval(&format!(
        "[...document.querySelectorAll('table.{table} thead th')]
            .map((head) => head.getAttribute('aria-sort'))"
    ))
}

#[test]
fn a_click_on_a_heading_sorts_up_down_and_as_it_was() {
    let mut browser = opened();
    let given = column(&mut browser, "permissions", 0);
    assert_eq!(given.len(), 12);
    let line = ".permissions thead th:nth-child(2) button";
    browser.click(line);
    let lines = numbers(&column(&mut browser, "permissions", 1));
    assert!(lines.is_sorted(), "{lines:?}");
    assert_eq!(
        sorting(&mut browser, "permissions"),
        json!([null, "ascending", null, null, null])
    );
    browser.click(line);
    let lines = numbers(&column(&mut browser, "permissions", 1));
    assert!(lines.is_sorted_by(|a, b| a >= b), "{lines:?}");
    assert_eq!(
        sorting(&mut browser, "permissions"),
        json!([null, "descending", null, null, null])
    );
    browser.click(line);
    assert_eq!(column(&mut browser, "permissions", 0), given);
    assert_eq!(
        sorting(&mut browser, "permissions"),
        json!([null, null, null, null, null])
    );
}

#[test]
fn numbers_are_sorted_as_numbers_and_paths_step_by_step() {
    let mut browser = opened();
    browser.click(".batches thead th:nth-child(1) button");
    let paths = column(&mut browser, "batches", 0);
    let steps: Vec<Vec<u64>> = paths
        .iter()
        .map(|path| path.split('.').map(|step| step.parse().unwrap()).collect())
        .collect();
    assert!(steps.len() > 60 && steps.is_sorted(), "{paths:?}");
    browser.click(".batches thead th:nth-child(3) button");
    let sizes = numbers(&column(&mut browser, "batches", 2));
    assert!(sizes.is_sorted(), "{sizes:?}");
    // Shown as 0.4s or 1m 02s, sorted by what that is.
    browser.click(".batches thead th:nth-child(7) button");
    let took = browser.eval(
        "[...document.querySelectorAll('table.batches tbody tr')]
            .map((row) => Number(row.cells[6].dataset.v))",
    );
    let took: Vec<u64> = serde_json::from_value(took).unwrap();
    assert!(
        took.is_sorted() && took.iter().max() > Some(&500),
        "{took:?}"
    );
}

#[test]
fn a_table_can_be_narrowed_to_one_state() {
    let mut browser = opened();
    browser.eval(
        "const choice = document.querySelector('#permissions select');
         choice.value = 'missing';
         choice.dispatchEvent(new Event('change', { bubbles: true }));",
    );
    let states = column(&mut browser, "permissions", 2);
    assert_eq!(states, ["missing"; 7]);
    let told = browser.eval("document.querySelector('#permissions [role=status]').textContent");
    assert_eq!(told, "7 of 12 shown");
    // What the choices promise is what they show.
    let kept_promises = browser.eval(
        "[...document.querySelectorAll('select')].every((choice) =>
            [...choice.options].slice(1).every((option) => {
                choice.value = option.value;
                choice.dispatchEvent(new Event('change'));
                const rows = choice.closest('section').querySelectorAll('tbody tr:not([hidden])');
                return option.textContent.endsWith(`(${rows.length})`);
            }))",
    );
    assert_eq!(kept_promises, true);
}

#[test]
fn an_id_is_found_in_the_batch_that_holds_it_and_shown_there() {
    let mut browser = opened();
    browser.click("#batches input");
    // In the middle of a batch that says nothing else about it.
    let id = browser.eval(
        "document.querySelector('.batches tr[data-s^=revoked] details p').textContent.split(' ')[41]",
    );
    let id = id.as_str().unwrap().to_owned();
    browser.type_in(&id);
    let shown = column(&mut browser, "batches", 8);
    assert_eq!(shown.len(), 1, "{id}: {shown:?}");
    assert!(shown[0].contains(&id));
    let visible = browser
        .eval("document.querySelector('.batches tr:not([hidden]) details p').checkVisibility()");
    assert_eq!(
        visible, true,
        "the list of IDs is opened where it was found"
    );
    let marked = browser.eval("[...CSS.highlights.values()].flatMap((it) => [...it]).map(String)");
    assert_eq!(marked, json!([id]));
    let other = browser.eval("document.querySelectorAll('.permissions tr:not([hidden])').length");
    assert_eq!(other, 13, "the other table is left as it was");
}

#[test]
fn what_is_not_there_is_said_to_be_elsewhere() {
    let mut browser = opened();
    browser.click("#permissions input");
    browser.type_in("999999999999");
    assert!(column(&mut browser, "permissions", 0).is_empty());
    let said = browser.eval("document.querySelector('#permissions .none').innerText");
    let said = said.as_str().unwrap();
    assert!(
        said.contains("Nothing here matches") && said.contains("permissions.csv"),
        "{said}"
    );
}

#[test]
fn several_words_narrow_together_whatever_their_case() {
    let mut browser = opened();
    browser.click("#permissions input");
    browser.type_in("REFUSED protected");
    assert_eq!(column(&mut browser, "permissions", 2), ["refused"; 3]);
}

#[test]
fn all_of_it_goes_by_keyboard() {
    let mut browser = opened();
    let focus = "(() => { const it = document.activeElement;
        return (it.closest('section')?.id ?? '') + ' ' + it.localName + ' ' +
            it.textContent.trim().slice(0, 20); })()";
    browser.press("Tab");
    assert_eq!(browser.eval(focus), " a Skip to the report");
    let outlined = browser.eval(
        "(() => { const box = document.activeElement.getBoundingClientRect();
            return box.top >= 0 && getComputedStyle(document.activeElement).outlineStyle; })()",
    );
    assert_eq!(outlined, "solid", "what has the focus can be seen");
    let mut seen = Vec::new();
    for _ in 0..300 {
        browser.press("Tab");
        let now = browser.eval(focus).as_str().unwrap().to_owned();
        if now == "permissions button Line" {
            browser.press("Enter");
            let lines = numbers(&column(&mut browser, "permissions", 1));
            browser.press(" ");
            let back = numbers(&column(&mut browser, "permissions", 1));
            assert!(lines.is_sorted() && back.is_sorted_by(|a, b| a >= b));
        }
        if now.starts_with("permissions input") {
            browser.type_in("15");
        }
        if now.starts_with("permissions select") {
            browser.press("ArrowDown");
            assert_ne!(browser.eval("document.activeElement.value"), "");
        }
        if now.starts_with("batches summary") {
            browser.press("Enter");
            let open = browser.eval("document.activeElement.parentElement.open");
            assert_eq!(open, true, "a list of IDs is opened");
            seen.push(now);
            break;
        }
        seen.push(now);
    }
    for wanted in [
        " a Outcomes",
        "permissions input",
        "permissions select",
        "permissions button Line",
        "batches input",
        "batches button Batch",
        "batches summary",
    ] {
        assert!(
            seen.iter().any(|now| now.starts_with(wanted)),
            "{wanted}: {seen:?}"
        );
    }
}

#[test]
fn a_table_without_tools_is_sorted_too() {
    let mut browser = Chromium::start();
    let [mixed, ..] = kept();
    browser.open(&mixed);
    browser.eval("document.querySelector('#rows details').open = true");
    browser.click(".rows thead th:first-child button");
    assert_eq!(column(&mut browser, "rows", 0), ["6", "11", "29", "30"]);
}
