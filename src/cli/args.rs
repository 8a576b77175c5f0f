//! The command line. The options that are settings are made from
//! [`KEYS`]; what is particular to a command stands here.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand,
    ValueEnum, builder::PossibleValuesParser,
};
use clap_complete::Shell;
use rescind::list::{InvalidId, PermissionId};

use super::{
    exit,
    settings::{Given, KEYS, Key, Shape, any_duration, environments},
    topics,
};

/// Revoke trading permissions in bulk, inside the API's limits, and account
/// for every row.
#[derive(Parser, Debug)]
#[command(
    name = "rescind",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = overview(),
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: CommandArgs,
}

/// What is to be done.
#[derive(Subcommand, Debug)]
pub(crate) enum CommandArgs {
    /// Read and check a list, say what a run would do, and send nothing
    #[command(after_help = LAYERS)]
    Plan {
        /// The list: a file, or - for standard input
        input: PathBuf,
        /// Read every ID, too: is the token good, is it the right environment,
        /// how many IDs are active, revoked already, unknown; revoke nothing
        #[arg(long, overrides_with = "online")]
        online: bool,
        #[command(flatten)]
        options: Options,
    },
    /// Freeze a list as a new run and carry it out
    #[command(after_help = LAYERS)]
    Run {
        /// The list: a file, or - for standard input
        input: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// Continue an unfinished run
    #[command(after_help = LAYERS)]
    Resume {
        /// A run's ID, the beginning of it, or latest [default: the newest
        /// unfinished run of the environment]
        run: Option<String>,
        /// Release a held run: the digest that was shown with what holds it
        #[arg(long, value_name = "DIGEST", overrides_with = "approve")]
        approve: Option<String>,
        /// Send again what was accepted once and is still shown as active;
        /// it may have been granted anew since
        #[arg(long, overrides_with = "resend_mismatched")]
        resend_mismatched: bool,
        #[command(flatten)]
        options: Options,
    },
    /// Read every permission of a run back and compare; revoke nothing
    #[command(after_help = LAYERS)]
    Verify {
        /// A run's ID, the beginning of it, or latest [default: the newest run
        /// of the environment]
        run: Option<String>,
        #[command(flatten)]
        options: Options,
    },
    /// Review a run, or all runs in a table
    Report {
        /// A run's ID, the beginning of it, or latest [default: the newest]
        run: Option<String>,
        /// What to make of it
        #[arg(long, value_enum, default_value_t = FormatArg::Text, overrides_with = "format")]
        format: FormatArg,
        /// Write to this file instead of standard output
        #[arg(long, value_name = "FILE", overrides_with = "output")]
        output: Option<PathBuf>,
        #[command(flatten)]
        nights: Nights,
        #[command(flatten)]
        folder: Folder,
    },
    /// List runs
    Runs {
        #[command(subcommand)]
        task: Option<RunsTask>,
        /// For programs: JSON
        #[arg(long, global = true, overrides_with = "json")]
        json: bool,
        #[command(flatten)]
        folder: GlobalFolder,
    },
    /// Show what every run knows of an ID
    #[command(after_help = FOUND)]
    Find {
        /// The permissions' IDs
        #[arg(required = true, value_name = "ID", value_parser = permission)]
        ids: Vec<PermissionId>,
        /// For programs: JSON
        #[arg(long, overrides_with = "json")]
        json: bool,
        #[command(flatten)]
        folder: Folder,
    },
    /// Serve the simulated API by itself on a loopback address
    Sandbox(Sandbox),
    /// Show the effective settings and where each came from, secrets masked
    #[command(after_help = LAYERS)]
    Config {
        #[command(flatten)]
        options: Options,
    },
    /// Print the help of a command, or a topic of the manual
    Help {
        /// A topic or a command; without one the overview
        #[arg(value_name = "NAME", value_parser = topics::names())]
        names: Vec<String>,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page of rescind, or of one of its commands
    Man {
        /// The command
        command: Option<String>,
    },
}

/// The nights in a row.
#[derive(Args, Debug)]
pub(crate) struct Nights {
    /// Show all runs, a row each, instead of one run (text, html)
    #[arg(long, conflicts_with = "run", overrides_with = "history")]
    pub(crate) history: bool,
    /// Only runs in this environment
    #[arg(long, value_name = "NAME", requires = "history", value_parser = PossibleValuesParser::new(environments()), overrides_with = "env")]
    pub(crate) env: Option<String>,
    /// Only runs at this address
    #[arg(
        long,
        value_name = "URL",
        requires = "history",
        overrides_with = "base_url"
    )]
    pub(crate) base_url: Option<String>,
}

/// What else is to be done with runs.
#[derive(Subcommand, Debug)]
pub(crate) enum RunsTask {
    /// Show what a run is: its list, its processes, its settings, its files
    Show {
        /// A run's ID, the beginning of it, or latest
        run: String,
    },
    /// Remove old runs
    #[command(after_help = KEPT, group = selection())]
    Prune(Prune),
}

/// Which runs are to go.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Prune {
    /// Keep the newest N runs of each environment
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "older_than",
        overrides_with = "keep"
    )]
    pub(crate) keep: Option<usize>,
    /// Keep runs that ended no longer ago than this: 90d, 72h
    #[arg(long, value_name = "TIME", value_parser = any_duration, overrides_with = "older_than")]
    pub(crate) older_than: Option<Duration>,
    /// Say what would be removed, and remove nothing
    #[arg(long, overrides_with = "dry_run")]
    pub(crate) dry_run: bool,
}

fn selection() -> ArgGroup {
    let options = ["keep", "older_than"];
    ArgGroup::new("selection")
        .args(options)
        .required(true)
        .multiple(true)
}

const KEPT: &str = "\
With both --keep and --older-than a run is removed only if both allow it. These
always stay: a run that is not finished, is held or is going on; one whose calls
or waits still count for the limits; the last seven finished runs of each
environment, which --max-growth compares with; whatever cannot be read as a run.
While a run goes on in an environment, nothing of that environment is removed.";

/// What a report is made as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum FormatArg {
    /// For the terminal.
    Text,
    /// A page for a browser, in one file.
    Html,
    /// The summary's figures.
    Json,
    /// For a ticket or a chat.
    Markdown,
    /// One row per batch.
    Csv,
}

/// The sandbox by itself.
#[derive(Args, Debug)]
pub(crate) struct Sandbox {
    /// The address to listen on; port 0 takes a free one, and the address is
    /// printed
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback, overrides_with = "listen")]
    pub(crate) listen: SocketAddr,
    /// Keep the world in this file [default: in memory]
    #[arg(long, value_name = "FILE", overrides_with = "world")]
    pub(crate) world: Option<PathBuf>,
    /// The world's rules and faults (TOML)
    #[arg(long, value_name = "FILE", overrides_with = "rules")]
    pub(crate) rules: Option<PathBuf>,
    /// Take the rules from the [sandbox] table of this settings file instead
    #[arg(
        long,
        value_name = "FILE",
        overrides_with = "config",
        conflicts_with = "rules"
    )]
    pub(crate) config: Option<PathBuf>,
    /// The seed of all random choices
    #[arg(long, value_name = "N", overrides_with = "seed")]
    pub(crate) seed: Option<u64>,
    /// The token it accepts; never a real one [default: sandbox]
    #[arg(long, value_name = "TEXT", overrides_with = "token")]
    pub(crate) token: Option<String>,
}

const LAYERS: &str = "\
Every option is also a variable (--batch-size: RESCIND_BATCH_SIZE) and a key of
the settings file (batch-size = 100). An option wins over a variable, a variable
over the file, the file over what a resumed run has recorded. A flag can be
taken back: --yes=false. Times are written as 500ms, 90s, 5m, 1h30m or 3d.

The token comes from exactly one of RESCIND_TOKEN, RESCIND_TOKEN_FILE and
RESCIND_TOKEN_COMMAND, or from a log-in: --login-name and what goes with it, with
the password in RESCIND_LOGIN_PASSWORD or a file and the API secret in
RESCIND_LOGIN_SEC or a file. A secret never comes from an option or from a file of
settings.";

const FOUND: &str = "\
The exit code is 0 even if no run has the ID. Journals that cannot be read are
named.";

fn permission(text: &str) -> Result<PermissionId, InvalidId> {
    PermissionId::parse(text.as_bytes())
}

/// What stands below the commands and the options.
fn overview() -> String {
    let codes = exit::TABLE.iter();
    let lines = codes.map(|(code, sentence)| format!("{code:>5}  {sentence}"));
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!(
        "{}\n\nExit codes:\n{lines}\n\n\
         Unknown settings are errors, so a typo cannot silently disable a limit.",
        topics::topics()
    )
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "not an address with a port, such as 127.0.0.1:8080 or [::1]:0".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the sandbox serves loopback addresses only".to_owned())
    }
}

/// Every setting as an option.
#[derive(Clone, Default, Debug)]
pub(crate) struct Options(pub(crate) Given);

/// The settings that say where runs are.
#[derive(Clone, Default, Debug)]
pub(crate) struct Folder(pub(crate) Given);

/// The same, for the commands of a command too.
#[derive(Clone, Default, Debug)]
pub(crate) struct GlobalFolder(pub(crate) Folder);

fn of_folder(key: &Key) -> bool {
    key.name == "runs-dir"
}

impl Args for Options {
    fn augment_args(command: Command) -> Command {
        let keys = KEYS.iter().filter(|key| key.shape.is_plain());
        command.arg(config()).args(keys.map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Options {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(given(matches, |key| key.shape.is_plain())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Folder {
    fn augment_args(command: Command) -> Command {
        let keys = KEYS.iter().filter(|key| of_folder(key));
        let args = keys.map(|key| option(key).help_heading(None::<&str>));
        command.arg(config()).args(args)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Folder {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(given(matches, of_folder)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for GlobalFolder {
    fn augment_args(command: Command) -> Command {
        Folder::augment_args(command).mut_args(|arg| match arg.get_id().as_str() {
            "config" | "runs-dir" => arg.global(true),
            _ => arg,
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for GlobalFolder {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Folder::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

fn config() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("Read settings from this file (TOML); without it no file is read")
        .value_parser(clap::value_parser!(PathBuf))
        .overrides_with("config")
}

fn option(key: &'static Key) -> Arg {
    let help = match key.default() {
        Some(default) => format!("{} [default: {default}]", key.doc),
        None => key.doc.to_owned(),
    };
    let arg = Arg::new(key.name)
        .long(key.name)
        .value_name(key.placeholder)
        .help(help)
        .help_heading(key.heading);
    let arg = match key.short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    let arg = match key.words {
        Some(words) => arg.value_parser(PossibleValuesParser::new(words())),
        None => arg,
    };
    match key.shape {
        Shape::One | Shape::Table(_) => arg.overrides_with(key.name),
        Shape::Many(_) => arg.action(ArgAction::Append),
        // The bare flag is what people type; the value is for taking back
        // what a file or a variable says.
        Shape::Flag => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("BOOL")
            .overrides_with(key.name),
    }
}

fn given(matches: &ArgMatches, wanted: fn(&Key) -> bool) -> Given {
    let keys = KEYS.iter().filter(|key| wanted(key));
    let values = keys.filter_map(|key| {
        let texts = matches.get_many::<String>(key.name)?.cloned();
        Some((key, texts.collect()))
    });
    Given {
        config: matches.get_one::<PathBuf>("config").cloned(),
        values: values.collect(),
    }
}
