//! What `rescind help` lists: the commands, and the topics of the manual.

use clap::builder::{PossibleValue, PossibleValuesParser};
use rescind::guide::TOPICS;

/// The commands, for [`names`]: the command line cannot be asked for them
/// while it is built.
pub(super) const COMMANDS: [&str; 12] = [
    "plan",
    "run",
    "resume",
    "verify",
    "report",
    "runs",
    "find",
    "sandbox",
    "config",
    "help",
    "completions",
    "man",
];

/// The commands of a command.
pub(super) const SUBCOMMANDS: [&str; 2] = ["show", "prune"];

/// What `rescind help` takes: completions, the manual page and the message
/// about an unknown name list it.
pub(super) fn names() -> PossibleValuesParser {
    let topics = TOPICS
        .iter()
        .filter(|topic| !COMMANDS.contains(&topic.name));
    let topics = topics.map(|topic| PossibleValue::new(topic.name).help(topic.summary()));
    let hidden = SUBCOMMANDS.map(|name| PossibleValue::new(name).hide(true));
    let commands = COMMANDS.map(PossibleValue::new);
    PossibleValuesParser::new(topics.chain(commands).chain(hidden))
}

/// The topics with a line each, for the overview.
pub(super) fn topics() -> String {
    let lines = TOPICS.iter();
    let lines = lines.map(|topic| format!("  {:<12}  {}", topic.name, topic.summary()));
    let lines: Vec<_> = lines.collect();
    format!("Topics (rescind help TOPIC):\n{}", lines.join("\n"))
}
