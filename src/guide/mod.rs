//! The manual: what `rescind help TOPIC` prints, a Markdown file for each
//! topic. Here every topic is a module, so that `cargo doc` shows it.
//!
//! The files are plain enough for a terminal of 80 columns: no links, no
//! tables, no escape sequences.

/// A page of the manual.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// The name on the command line, and of the file.
    pub name: &'static str,
    /// The page, in Markdown.
    pub text: &'static str,
}

impl Topic {
    /// What the page is about, in one line. The page begins with
    /// `# name: summary`.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.split_once(": ").map_or("", |(_, summary)| summary)
    }
}

macro_rules! topics {
    ($($module:ident: $name:literal,)+) => {
        $(
            // Blocks of the pages are columns and settings, and no Rust.
            #[cfg_attr(not(doctest), doc = include_str!(concat!($name, ".md")))]
            #[cfg_attr(doctest, doc = $name)]
            pub mod $module {}
        )+

        /// Every page, in the order of the list.
        pub const TOPICS: &[Topic] = &[$(Topic {
            name: $name,
            text: include_str!(concat!($name, ".md")),
        }),+];
    };
}

topics! {
    lists: "lists",
    settings: "settings",
    tokens: "tokens",
    pacing: "pacing",
    deadlines: "deadlines",
    verification: "verification",
    states: "states",
    guards: "guards",
    sandbox: "sandbox",
    files: "files",
    history: "history",
    exit_codes: "exit-codes",
    figures: "figures",
    limits: "limits",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_topic_fits_a_terminal_of_eighty_columns() {
        for topic in TOPICS {
            let heading = format!("# {}: {}", topic.name, topic.summary());
            assert_eq!(topic.text.lines().next(), Some(heading.as_str()));
            assert!(!topic.summary().is_empty() && topic.summary().len() <= 62);
            for line in topic.text.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", topic.name);
                assert!(
                    !line.chars().any(char::is_control),
                    "{}: {line:?}",
                    topic.name
                );
            }
        }
    }

    #[test]
    fn every_file_of_the_manual_is_a_topic() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide");
        let files = std::fs::read_dir(folder).unwrap();
        let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<_> = files
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .collect();
        let names: BTreeSet<_> = TOPICS.iter().map(|topic| topic.name.to_owned()).collect();
        assert_eq!(names, files);
    }

    #[test]
    fn a_topic_refers_only_to_topics_that_exist() {
        for topic in TOPICS {
            let text = topic.text.split_whitespace().collect::<Vec<_>>().join(" ");
            for name in text.split("rescind help ").skip(1) {
                let name = name
                    .split(|c: char| !c.is_alphanumeric() && c != '-')
                    .next();
                assert!(TOPICS.iter().any(|one| Some(one.name) == name), "{name:?}");
            }
        }
    }
}
