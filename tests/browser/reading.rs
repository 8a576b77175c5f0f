//! That everybody can read it: by eye, in the light and in the dark, and by
//! ear.

use serde_json::{Value, json};

use crate::{chromium::Chromium, kept, swept};

/// The texts whose contrast is less than WCAG 2.2 asks for at level AA: 4.5,
/// or 3 where letters are large.
const FAINT: &str = r"(() => {
    const parts = (colour) => {
        const n = colour.match(/[\d.]+/g).map(Number);
        const scale = colour.startsWith('color(') ? 255 : 1;
        return [n[0] * scale, n[1] * scale, n[2] * scale, n[3] ?? 1];
    };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
    const ground = (element) => {
        if (!element) return parts(getComputedStyle(document.documentElement).colorScheme.includes('dark')
            ? 'rgb(18, 18, 18)' : 'rgb(255, 255, 255)');
        const own = parts(getComputedStyle(element).backgroundColor);
        return own[3] === 1 ? own : over(own, ground(element.parentElement));
    };
    const luminance = (colour) => {
        const [r, g, b] = colour.slice(0, 3)
            .map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const faint = [];
    let looked = 0;
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || !element.checkVisibility() || element.closest('.unseen, title, script, style')) continue;
        const style = getComputedStyle(element);
        const below = ground(element);
        const ink = over(parts(element.closest('svg') ? style.fill : style.color), below);
        const [a, b] = [luminance(ink), luminance(below)].sort((x, y) => y - x);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        looked += 1;
        if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) {
            faint.push(`${((a + 0.05) / (b + 0.05)).toFixed(2)} ${node.data.trim().slice(0, 40)}`);
        }
    }
    return { looked, faint: [...new Set(faint)] };
})()";

#[test]
fn every_word_stands_out_in_the_light_and_in_the_dark() {
    let mut browser = Chromium::start();
    for file in kept().into_iter().chain([swept()]) {
        for dark in [false, true] {
            browser.sized(1280, 900, dark);
            browser.open(&file);
            browser.eval("for (const all of document.querySelectorAll('details')) all.open = true");
            let found = browser.eval(FAINT);
            assert!(found["looked"].as_u64().unwrap() > 20, "{found}");
            assert_eq!(found["faint"], json!([]), "{} dark: {dark}", file.display());
        }
    }
}

#[test]
fn dark_is_dark() {
    let mut browser = Chromium::start();
    let mut ground = |dark| {
        browser.sized(1280, 900, dark);
        browser.open(&swept());
        browser.eval("getComputedStyle(document.body).backgroundColor")
    };
    assert_ne!(ground(false), ground(true));
}

/// The names of all that has a role, as a screen reader gets them.
fn named(tree: &Value, role: &str) -> Vec<String> {
    let nodes = tree["nodes"].as_array().unwrap().iter();
    nodes
        .filter(|node| node["role"]["value"] == role && node["ignored"] == false)
        .map(|node| {
            node["name"]["value"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[test]
fn a_screen_reader_finds_landmarks_headings_and_tables() {
    let mut browser = Chromium::start();
    browser.open(&swept());
    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    for landmark in ["banner", "main", "navigation", "contentinfo"] {
        assert_eq!(named(&tree, landmark).len(), 1, "{landmark}");
    }
    assert_eq!(named(&tree, "navigation"), ["Parts of this report"]);
    let headings = named(&tree, "heading");
    assert!(
        headings[0].contains("NOT ALL REVOKED in the SANDBOX")
            && headings[0].contains("12 of 4,017"),
        "{headings:?}"
    );
    for role in [
        "heading",
        "table",
        "image",
        "searchbox",
        "combobox",
        "search",
        "region",
    ] {
        let names = named(&tree, role);
        assert!(!names.is_empty(), "there is no {role}");
        assert!(
            role == "search" || names.iter().all(|name| !name.trim().is_empty()),
            "{role}: {names:?}"
        );
    }
    let pictures = named(&tree, "image").join("\n");
    for told in [
        "4,017 IDs = 4,005 revoked + 5 refused + 7 missing",
        "calls in",
    ] {
        assert!(pictures.contains(told), "{told}: {pictures}");
    }
    // What is drawn for the eye is not read out sign by sign.
    let cells = named(&tree, "cell");
    assert!(cells.iter().any(|cell| cell == "refused"), "{cells:?}");
}
