//! What the page does by itself, and what it does not.

use serde_json::json;

use crate::{chromium::Chromium, kept, swept};

/// Uses whatever there is to use.
const EVERYTHING: &str = "
    for (const head of document.querySelectorAll('th button')) head.click();
    for (const field of document.querySelectorAll('input')) {
        field.value = '1';
        field.dispatchEvent(new Event('input'));
    }
    for (const all of document.querySelectorAll('details')) all.open = true;
    for (const one of document.querySelectorAll('select')) {
        one.selectedIndex = 1;
        one.dispatchEvent(new Event('change'));
    }";

#[test]
fn it_loads_nothing_and_nothing_goes_wrong_in_it() {
    let mut browser = Chromium::start();
    for file in kept().into_iter().chain([swept()]) {
        browser.open(&file);
        browser.eval(EVERYTHING);
        let name = file.display();
        assert_eq!(browser.complaints(), Vec::<String>::new(), "{name}");
        let asked = browser.requests();
        assert_eq!(asked.len(), 1, "{name} and nothing else: {asked:?}");
    }
}

/// So that the test above could fail.
#[test]
fn what_does_not_belong_to_it_is_not_run_and_is_noticed() {
    let mut browser = Chromium::start();
    browser.open(&swept());
    browser.eval(
        "const script = document.createElement('script');
         script.textContent = 'document.title = \"owned\"';
         document.body.append(script);
         const picture = document.createElement('img');
         picture.src = 'http://127.0.0.1:9/x.png';
         document.body.append(picture);
         document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\" onclick=\"1\">x</p>');",
    );
    let complaints = browser.complaints().join("\n");
    for directive in ["script-src", "style-src", "default-src"] {
        assert!(complaints.contains(directive), "{directive}: {complaints}");
    }
    assert_ne!(browser.eval("document.title"), "owned");
}

#[test]
fn words_from_outside_are_words() {
    let mut browser = Chromium::start();
    let [mixed, ..] = kept();
    browser.open(&mixed);
    assert_eq!(browser.eval("document.scripts.length"), 1);
    let shown = browser.eval("document.querySelector('#outcomes').innerText");
    let shown = shown.as_str().unwrap();
    assert!(shown.contains("<script>alert(1)</script>"), "{shown}");
}

#[test]
fn without_its_script_the_page_is_whole() {
    let mut browser = Chromium::start();
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        &json!({ "value": true }),
    );
    browser.open(&swept());
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        &json!({ "value": false }),
    );
    let shown = browser.eval(
        "({
            rows: document.querySelectorAll('table.live tbody tr').length,
            tools: [...document.querySelectorAll('search')].some((it) => it.checkVisibility()),
            none: [...document.querySelectorAll('.none')].some((it) => it.checkVisibility()),
            buttons: document.querySelectorAll('button').length,
        })",
    );
    assert!(shown["rows"].as_u64().unwrap() > 100, "{shown}");
    assert_eq!(shown["tools"], false, "what would do nothing is not shown");
    assert_eq!(shown["none"], false);
    assert_eq!(shown["buttons"], 0);
}

#[test]
fn it_fits_every_width() {
    let mut browser = Chromium::start();
    for file in kept().into_iter().chain([swept()]) {
        for width in [320, 360, 390, 768, 1280, 2200] {
            browser.sized(width, 900, false);
            browser.open(&file);
            browser.eval("for (const all of document.querySelectorAll('details')) all.open = true");
            // On a phone `innerWidth` grows with what does not fit: it says nothing.
            let wide = browser.eval(&format!(
                "[...document.querySelectorAll('body *')]
                    .filter((it) => !it.closest('.unseen, .scroll, .looks, .skip, svg'))
                    .filter((it) => it.getBoundingClientRect().right > {width} + 0.5)
                    .map((it) => it.outerHTML.slice(0, 120))"
            ));
            assert_eq!(wide, json!([]), "{} at {width}", file.display());
            assert_eq!(
                browser.eval(&format!(
                    "Math.max(innerWidth, document.documentElement.scrollWidth) - {width}"
                )),
                0,
                "{} at {width} scrolls sideways",
                file.display()
            );
        }
    }
}

#[test]
fn on_paper_it_is_light_and_leaves_out_what_paper_cannot_do() {
    let mut browser = Chromium::start();
    browser.sized(700, 990, true);
    browser.open(&swept());
    browser.media("print", true);
    let shown = browser.eval(
        "({
            ground: getComputedStyle(document.body).backgroundColor,
            ink: getComputedStyle(document.body).color,
            gone: ['nav', 'search', '.skip'].filter((it) =>
                [...document.querySelectorAll(it)].some((one) => one.checkVisibility())),
            heads: getComputedStyle(document.querySelector('thead')).display,
            wide: [...document.querySelectorAll('main table')]
                .filter((it) => it.getBoundingClientRect().right > innerWidth + 1).length,
            rows: [...document.querySelectorAll('.batches tbody tr')]
                .filter((it) => it.checkVisibility()).length,
        })",
    );
    assert_eq!(shown["ground"], "rgb(255, 255, 255)", "{shown}");
    assert_eq!(shown["ink"], "rgb(26, 27, 30)");
    assert_eq!(shown["gone"], json!([]));
    assert_eq!(shown["heads"], "table-header-group", "on every sheet anew");
    assert_eq!(shown["wide"], 0);
    browser.media("", false);
    let paper = browser.call("Page.printToPDF", &json!({ "preferCSSPageSize": true }));
    let paper = paper["data"].as_str().unwrap();
    assert!(paper.starts_with("JVBERi0"), "a PDF");
}
