//! The page: that it is sound, that it says what the other reports say, and
//! that nothing in it from outside does anything.

use std::collections::BTreeSet;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use scraper::{ElementRef, Html, Selector};
use sha2::{Digest, Sha256};

use super::super::fixture::{Fixture, REVOKED, SampleOutcome, complete, facts, mixed, plain};
use super::super::*;
use super::{LIVE, assert_same, file, rendered};
use crate::journal::{Breach, RunMeta, State};

fn page(run: &Fixture) -> String {
    rendered(run, Format::Html, Style::PLAIN, false)
}

pub(super) fn parsed(page: &str) -> Html {
    let parsed = Html::parse_document(page);
    assert_eq!(parsed.errors, Vec::<String>::new(), "it parses strictly");
    parsed
}

pub(super) fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

/// The text as a person reads it: without what is not shown, in single
/// blanks.
pub(super) fn words(element: ElementRef<'_>) -> String {
    let text: Vec<&str> = element.text().flat_map(str::split_whitespace).collect();
    text.join(" ")
}

/// A run whose list holds nothing.
fn empty() -> Fixture {
    let mut run = Fixture::freeze(facts("demo", "https://demo.tradovateapi.com/v1"), &[], &[]);
    run.process("run", "{}");
    run.end("empty", 4, "");
    run
}

/// A run that a cap held before anything was sent.
fn held() -> Fixture {
    let mut run = Fixture::freeze(facts("live", LIVE), &[(&[1, 2], &[2, 3])], &[]);
    run.process("run", "{}");
    run.found(Breach::MaxIds { ids: 2, limit: 1 });
    run.end("held", 7, "");
    run
}

fn every_kind() -> Vec<(&'static str, Fixture)> {
    vec![
        ("complete", complete("sandbox", "sandbox", &REVOKED, "all")),
        ("mixed", mixed()),
        ("empty", empty()),
        ("held", held()),
    ]
}

#[test]
fn the_pages_read_as_expected() {
    for (name, run) in every_kind() {
        if name != "mixed" {
            assert_same(&format!("{name}.html"), &page(&run));
        }
    }
    let run = mixed();
    assert_same(
        "running.html",
        &rendered(&run, Format::Html, Style::PLAIN, true),
    );
}

#[test]
fn a_page_is_sound() {
    for (name, run) in every_kind() {
        let text = page(&run);
        let page = parsed(&text);
        let mut ids = BTreeSet::new();
        for element in all(&page, "[id]") {
            let id = element.attr("id").unwrap();
            assert!(ids.insert(id), "{name}: {id} twice");
        }
        for element in all(&page, "[aria-labelledby], [href^='#']") {
            let named = element.attr("aria-labelledby").unwrap_or_default();
            let link = element.attr("href").and_then(|href| href.strip_prefix('#'));
            for id in named.split(' ').chain(link).filter(|id| !id.is_empty()) {
                assert!(ids.contains(id), "{name}: nothing is called {id}");
            }
        }
        let levels: Vec<u8> = all(&page, "h1, h2, h3, h4, h5, h6")
            .iter()
            .map(|heading| heading.value().name().as_bytes()[1] - b'0')
            .collect();
        assert_eq!(levels[0], 1, "{name}");
        assert!(!levels[1..].contains(&1), "{name}: {levels:?}");
        let skips = levels.windows(2).any(|pair| pair[1] > pair[0] + 1);
        assert!(!skips, "{name}: {levels:?}");
        for table in all(&page, "table") {
            let has = |what: &str| table.select(&Selector::parse(what).unwrap()).count() > 0;
            assert!(has("caption"), "{name}: a table without a caption");
            assert!(has("thead th[scope='col']") && !has("th:not([scope])"));
        }
        for drawing in all(&page, "svg") {
            let told = drawing.attr("aria-hidden") == Some("true")
                || (drawing.attr("role") == Some("img")
                    && drawing.attr("aria-labelledby").is_some());
            assert!(told, "{name}: a drawing without words");
        }
        for landmark in [
            "html[lang='en']",
            "header",
            "main",
            "nav[aria-label]",
            "footer",
            "head title",
        ] {
            assert_eq!(all(&page, landmark).len(), 1, "{name}: {landmark}");
        }
    }
}

#[test]
fn a_page_loads_nothing_and_runs_nothing_but_its_own() {
    for (name, run) in every_kind() {
        let text = page(&run);
        let page = parsed(&text);
        let policy = all(&page, "meta[http-equiv='Content-Security-Policy']")[0]
            .attr("content")
            .unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains("http"),
            "{policy}"
        );
        for (what, directive) in [("style", "style-src"), ("script", "script-src")] {
            let elements = all(&page, what);
            assert_eq!(elements.len(), 1, "{name}: one {what}");
            let inside: String = elements[0].text().collect();
            let digest = BASE64_STANDARD.encode(Sha256::digest(&inside));
            assert!(
                policy.contains(&format!("{directive} 'sha256-{digest}'")),
                "{name}: {what}"
            );
        }
        for element in all(&page, "*") {
            for (attribute, value) in element.value().attrs() {
                assert!(
                    !attribute.starts_with("on") && attribute != "style",
                    "{name}: {attribute}={value}"
                );
                assert!(
                    !matches!(
                        attribute,
                        "src" | "srcset" | "action" | "formaction" | "poster"
                    ),
                    "{name}: {attribute}={value}"
                );
                if attribute == "href" {
                    assert!(
                        value.starts_with('#') || FILES.contains(&value),
                        "{name}: {value}"
                    );
                }
            }
        }
        let style: String = all(&page, "style")[0].text().collect();
        let loads = style
            .match_indices("url(")
            .any(|(at, _)| !style[at..].starts_with("url(#"));
        assert!(!loads && !style.contains("@import"));
    }
}

#[test]
fn a_page_says_what_the_text_says() {
    for (name, run) in every_kind() {
        let text = rendered(
            &run,
            Format::Text,
            Style {
                width: 120,
                ..Style::PLAIN
            },
            false,
        );
        let shown = page(&run);
        let page = parsed(&shown);
        let body = words(all(&page, "main")[0]);
        // What is wrapped in one of the two is not in the other.
        let text: Vec<&str> = text.split_whitespace().collect();
        let text = text.join(" ");
        let headline = words(all(&page, "h1 .headline")[0]);
        assert!(text.contains(&headline), "{name}: {headline}");
        for element in all(
            &page,
            ".answer, .also, .facts dd, .plain li, .command, .next p",
        ) {
            let said = words(element);
            assert!(
                text.contains(&said),
                "{name}: the text does not say {said:?}"
            );
        }
        for section in ["Accounting", "Work", "Proof", "Next"] {
            assert!(text.contains(section), "{name}: {section}");
        }
        assert!(body.contains("Safe to forget?"), "{name}");
    }
}

/// Text that would do something in a page that let it.
const HOSTILE: &str = concat!(
    "</script><script>alert(1)</script>\"><img src=x onerror=alert(2)>' onload='alert(3)",
    "<!--</style><svg onload=alert(4)>&lt;b&gt;{{ 7*7 }}{% raw %}\u{202e}gnp\u{2066} ",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} javascript:alert(5)"
);

#[test]
fn text_from_outside_does_nothing() {
    let facts = RunMeta {
        environment: HOSTILE.to_owned(),
        base_url: HOSTILE.to_owned(),
        input_path: HOSTILE.to_owned(),
        column: HOSTILE.to_owned(),
        note: HOSTILE.to_owned(),
        ..facts("", "")
    };
    let batches: [(&[i64], &[u64]); 2] = [(&[1, 2], &[2, 3]), (&[3], &[4])];
    let rejects = [(5, HOSTILE, HOSTILE), (6, HOSTILE, "duplicate")];
    let facts = RunMeta {
        // Counted, though its reason says so in words of its own.
        rows_invalid: 0,
        ..facts
    };
    let mut run = Fixture::freeze(facts, &batches, &rejects[1..]);
    run.process("run", "{}");
    run.deliver(
        1,
        2,
        &SampleOutcome {
            reason: HOSTILE,
            message: HOSTILE,
            ..plain(State::Unknown)
        },
    );
    run.send(2, 1, State::Pending);
    run.divide(
        2,
        "2",
        2,
        &[(
            &[3],
            &[4],
            SampleOutcome {
                reason: "refused",
                message: HOSTILE,
                ..plain(State::Refused)
            },
        )],
    );
    run.end(HOSTILE, 9, HOSTILE);
    let shown = page(&run);
    let harmless = page(&complete("sandbox", "sandbox", &REVOKED, "all"));
    let names = |page: &str| -> BTreeSet<String> {
        let page = parsed(page);
        let names = all(&page, "*").into_iter();
        names
            .map(|element| element.value().name().to_owned())
            .collect()
    };
    let ours: BTreeSet<String> = names(&harmless)
        .union(&names(&page(&mixed())))
        .cloned()
        .collect();
    assert_eq!(
        names(&shown).difference(&ours).next(),
        None,
        "no element of its own"
    );
    let page = parsed(&shown);
    assert_eq!(all(&page, "script").len(), 1);
    assert_eq!(all(&page, "style").len(), 1);
    let by_itself = all(&page, "*").into_iter().flat_map(|element| {
        let attributes = element.value().attrs();
        attributes.map(|(name, _)| name.to_owned())
    });
    let acting: Vec<String> = by_itself.filter(|name| name.starts_with("on")).collect();
    assert_eq!(acting, Vec::<String>::new());
    let text = words(page.root_element());
    assert!(
        text.contains("<script>alert(1)</script>"),
        "it is shown as it is"
    );
    assert!(text.contains("{{ 7*7 }}"));
    assert!(
        !shown.contains(['\u{202e}', '\u{2066}']),
        "nothing turns text around"
    );
    // Nothing from outside stands where only our own words belong.
    for element in all(&page, "[class], [data-s], [id], [href], [datetime]") {
        for name in ["class", "data-s", "id", "href", "datetime"] {
            let value = element.attr(name).unwrap_or_default();
            assert!(!value.contains("alert"), "{name}={value}");
        }
    }
}

#[test]
fn a_page_does_not_grow_with_the_run() {
    let ids: Vec<Vec<i64>> = (0..1_200)
        .map(|n| (n * 40 + 1..=n * 40 + 40).collect())
        .collect();
    let lines: Vec<Vec<u64>> = ids
        .iter()
        .map(|ids| ids.iter().map(|id| id.cast_unsigned() + 1).collect())
        .collect();
    let batches: Vec<(&[i64], &[u64])> = ids
        .iter()
        .zip(&lines)
        .map(|(ids, lines)| (ids.as_slice(), lines.as_slice()))
        .collect();
    let rejects: Vec<(u64, &str, &str)> = (0..3_000)
        .map(|n| (50_010 + n, "1", "duplicate"))
        .chain([(90_000, "x", "invalid: not a number")])
        .collect();
    let mut run = Fixture::freeze(facts("live", LIVE), &batches, &rejects);
    run.process("run", "{}");
    let long = Box::leak("refused at length ".repeat(500).into_boxed_str());
    let refused = SampleOutcome {
        reason: "refused",
        message: long,
        ..plain(State::Refused)
    };
    // The last ones need a look; the others were not sent.
    for batch in 1_141..=1_200 {
        run.deliver(batch, 40, &refused);
    }
    run.end("interrupted", 130, "");
    write(&run.folder).unwrap();
    let shown = file(&run, REPORT_HTML);
    assert!(shown.len() < 900_000, "{} bytes", shown.len());
    let page = parsed(&shown);
    let batches = all(&page, "table.batches tbody tr");
    let permissions = all(&page, "table.permissions tbody tr");
    assert_eq!((batches.len(), permissions.len()), (1_000, 2_000));
    let refused = |rows: &[ElementRef<'_>]| {
        let states = rows.iter().map(|row| row.attr("data-s").unwrap().trim());
        states.take_while(|state| *state == "refused").count()
    };
    assert_eq!(refused(&batches), 60, "what needs a look comes first");
    assert_eq!(refused(&permissions), 2_000);
    let rows = all(&page, "table.rows tbody tr");
    assert_eq!(rows.len(), 500);
    assert!(words(rows[0]).contains("90000"), "invalid rows come first");
    let text = words(all(&page, "main")[0]);
    for told in [
        "The first 2,000 are here; 46,000 more are in remaining.csv",
        "The first 1,000 are here; 200 more are in results.csv",
        "the first 500; 2,501 more are in rejected.csv",
    ] {
        assert!(text.contains(told), "{told}");
    }
}
