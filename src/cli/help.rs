//! `rescind help`: the overview, the help of a command, a topic of the manual.

use std::io::Write;

use clap::{CommandFactory, Parser};
use rescind::guide::TOPICS;

use super::args::Cli;
use super::written;
use crate::cli::error::CliError;

/// Prints the help of the command `names`, and the topic of that name. Both
/// exist for `sandbox`.
pub(super) fn help(names: &[String], out: &mut dyn Write) -> Result<u8, CliError> {
    let command = names.iter().try_fold(Cli::command(), |command, name| {
        command.find_subcommand(name).cloned()
    });
    let topic = match names {
        [name] => TOPICS.iter().find(|topic| topic.name == name),
        _ => None,
    };
    let mut pages = Vec::new();
    if command.is_some() {
        let line = ["rescind"].into_iter();
        let line = line
            .chain(names.iter().map(String::as_str))
            .chain(["--help"]);
        if let Err(page) = Cli::try_parse_from(line) {
            pages.push(page.render().to_string());
        }
    }
    pages.extend(topic.map(|topic| topic.text.to_owned()));
    if pages.is_empty() {
        return Err(
            CliError::usage(format!("there is no help for {:?}", names.join(" ")))
                .hint("rescind help lists the commands and the topics"),
        );
    }
    written(out.write_all(pages.join("\n").as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Command;

    use super::*;
    use crate::cli::topics::{COMMANDS, SUBCOMMANDS};

    #[test]
    fn help_knows_every_command() {
        let cli = Cli::command();
        let commands = || cli.get_subcommands();
        let known = commands().map(Command::get_name);
        assert_eq!(known.collect::<BTreeSet<_>>(), COMMANDS.into());
        let known = commands().flat_map(Command::get_subcommands);
        let known = known.map(Command::get_name);
        assert_eq!(known.collect::<BTreeSet<_>>(), SUBCOMMANDS.into());
    }
    fn shown(line: &str) -> Result<String, clap::Error> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        Cli::try_parse_from(["rescind", "help"].into_iter().chain(line.split(' ')))?;
        let mut out = Vec::new();
        assert_eq!(help(&words, &mut out), Ok(0));
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn help_prints_a_topic_or_the_help_of_a_command() {
        for topic in TOPICS {
            assert!(shown(topic.name).unwrap().ends_with(topic.text));
        }
        assert!(shown("runs prune").unwrap().contains("--older-than"));
        let both = shown("sandbox").unwrap();
        assert!(both.contains("--listen") && both.contains("# sandbox: "));
        let mut overview = Vec::new();
        assert_eq!(help(&[], &mut overview), Ok(0));
        let overview = String::from_utf8(overview).unwrap();
        for topic in TOPICS {
            assert!(overview.contains(topic.summary()), "{}", topic.name);
        }
    }

    #[test]
    fn an_unknown_topic_is_an_error_that_lists_the_topics() {
        let error = shown("tokns").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(text.contains("tokens") && text.contains("pacing"), "{text}");
        let problem = help(&["run".into(), "show".into()], &mut Vec::new());
        assert_eq!(problem.unwrap_err().code, 2);
    }

    #[test]
    fn completions_and_manual_pages_know_the_topics() {
        let mut completions = Vec::new();
        let shell = clap_complete::Shell::Bash;
        clap_complete::generate(shell, &mut Cli::command(), "rescind", &mut completions);
        let completions = String::from_utf8(completions).unwrap();
        let mut page = Vec::new();
        let manual = clap_mangen::Man::new(Cli::command());
        manual.render(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace('\\', "");
        for topic in TOPICS {
            assert!(completions.contains(topic.name), "{}", topic.name);
            assert!(page.contains(topic.summary()), "{}", topic.name);
        }
    }
}
