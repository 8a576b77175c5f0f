//! Gathering what was given, layer by layer, and settling it: option,
//! variable, settings file, (on resume: the journal,) default.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;
use rescind::{api::Environment, duration, sweep::Verify};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{
    KEYS, Key, Settings, Target,
    access::SECRETS,
    default_rate,
    file::{at, read_file},
    keys::OnResume,
    record::from_journal,
    target::address,
    values::ValueError,
};
use crate::cli::error::CliError;

/// The variable that names a settings file.
pub(super) const CONFIG: &str = "RESCIND_CONFIG";

/// What the command line gave: the settings file, and values by key.
#[derive(Clone, Default, Debug)]
pub(crate) struct Given {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// The other options, in the order of [`KEYS`], each with its values.
    pub(crate) values: Vec<(&'static Key, Vec<String>)>,
}

/// Where a value came from, the weakest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ValueOrigin {
    /// Nobody set it.
    Default,
    /// The journal of the run that is resumed.
    Journal,
    /// A line of the settings file.
    File(PathBuf, usize),
    /// The key's variable.
    Variable,
    /// The key's option.
    Option,
}

impl ValueOrigin {
    /// As `rescind config` shows it.
    pub(super) fn label(&self, key: &Key) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::Journal => "journal".to_owned(),
            Self::File(path, line) => at(path, *line),
            Self::Variable => key.variable(),
            Self::Option => "option".to_owned(),
        }
    }

    /// As a message about the value begins.
    pub(super) fn subject(&self, key: &Key) -> String {
        match self {
            Self::Default => format!("the default {}", key.name),
            Self::Journal => format!("the journal's {}", key.name),
            Self::File(..) => format!("{}: {}", self.label(key), key.name),
            Self::Variable => key.variable(),
            Self::Option => format!("--{}", key.name),
        }
    }
}

/// A setting as one layer gives it.
pub(super) struct LayerValue {
    pub(super) key: &'static Key,
    /// Its values: one, unless it is a list.
    pub(super) texts: Vec<String>,
    pub(super) origin: ValueOrigin,
}

impl LayerValue {
    fn subject(&self) -> String {
        self.origin.subject(self.key)
    }
}

/// Everything that was given, checked for names but not yet for values.
pub(crate) struct Layers {
    /// The weakest first: file, variables, options.
    given: [Vec<LayerValue>; 3],
    /// The variables with secrets that are set, with their values.
    secrets: Vec<(&'static str, SecretString)>,
    /// The value of `TZ`, if it is no time zone.
    unknown_zone: Option<String>,
}

impl Layers {
    /// Gathers the options, the `RESCIND_…` variables among `variables`, and
    /// the settings file they name.
    ///
    /// # Errors
    /// A name nobody knows, or a settings file that cannot be read.
    pub(crate) fn gather(
        given: &Given,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, CliError> {
        let mut config = None;
        let mut secrets = Vec::new();
        let mut from_variables = Vec::new();
        let mut unknown_zone = None;
        for (name, value) in variables {
            let name = name.to_string_lossy();
            // Empty, it is UTC.
            if name == "TZ" && !value.is_empty() && TimeZone::try_system().is_err() {
                unknown_zone = Some(value.to_string_lossy().into_owned());
            }
            if !name.starts_with("RESCIND_") {
                continue;
            }
            let text = || {
                let text = value.to_str().map(str::to_owned);
                text.ok_or_else(|| CliError::usage(format!("{name} is not UTF-8")))
            };
            if name == CONFIG {
                config = Some(PathBuf::from(text()?));
                if config.as_deref() == Some(Path::new("")) {
                    return Err(CliError::usage(format!("{CONFIG} is empty")));
                }
            } else if let Some(secret) = SECRETS.into_iter().find(|secret| *secret == name) {
                secrets.push((secret, SecretString::from(text()?)));
            } else if let Some(key) = plain().find(|key| key.variable() == name) {
                from_variables.push(LayerValue {
                    key,
                    texts: vec![text()?],
                    origin: ValueOrigin::Variable,
                });
            } else {
                let known = plain().map(Key::variable);
                let known = known.chain(SECRETS.into_iter().chain([CONFIG]).map(str::to_owned));
                return Err(unknown(&format!("unknown variable {name}"), &name, known));
            }
        }
        let config = given.config.clone().or(config);
        let from_file = match &config {
            Some(path) => read_file(path)?,
            None => Vec::new(),
        };
        let from_options = given.values.iter().map(|(key, texts)| LayerValue {
            key,
            texts: texts.clone(),
            origin: ValueOrigin::Option,
        });
        Ok(Self {
            given: [from_file, from_variables, from_options.collect()],
            secrets,
            unknown_zone,
        })
    }

    /// Settles the layers; `recorded` is what the journal of a run that is
    /// resumed holds ([`Resolved::recorded`]).
    ///
    /// # Errors
    /// A value that cannot be used, two that exclude each other, or an option
    /// or variable that would change what the run has frozen.
    pub(crate) fn settle(
        &self,
        recorded: Option<&Map<String, Value>>,
    ) -> Result<Resolved, CliError> {
        let Some(recorded) = recorded else {
            return self.lay(&Map::new(), |_| true);
        };
        let asked = self.lay(recorded, |_| true)?;
        let mut frozen = self.lay(recorded, |key| key.on_resume != OnResume::Frozen)?;
        // Only what would hold is compared: a variable that an option outranks
        // asks for nothing.
        for key in KEYS.iter().filter(|key| key.on_resume == OnResume::Frozen) {
            let Some(change) = frozen.change(&asked, key) else {
                continue;
            };
            match asked.origin(key) {
                ValueOrigin::Default | ValueOrigin::Journal => {}
                ValueOrigin::File(..) => frozen.warnings.push(format!("{change}; ignored")),
                ValueOrigin::Variable | ValueOrigin::Option => {
                    return Err(CliError::usage(change).hint(
                        "leave it out to carry this run on; a new run of the list may have another",
                    ));
                }
            }
        }
        Ok(frozen)
    }

    /// Lays what is given for the `wanted` keys over what is recorded, over
    /// the defaults.
    fn lay(
        &self,
        recorded: &Map<String, Value>,
        wanted: impl Fn(&Key) -> bool,
    ) -> Result<Resolved, CliError> {
        let mut effective = Resolved {
            settings: Settings::default(),
            warnings: Vec::new(),
            origins: BTreeMap::new(),
            secrets: self.secrets.clone(),
        };
        for entry in from_journal(recorded) {
            effective.add(&entry)?;
        }
        effective.forget_log_in(&self.given);
        for layer in &self.given {
            exclude(layer)?;
            for entry in layer.iter().filter(|entry| wanted(entry.key)) {
                effective.add(entry)?;
            }
        }
        effective.finish()?;
        effective.check_zone(self.unknown_zone.as_deref())?;
        Ok(effective)
    }
}

/// The settings that hold, and where each came from.
pub(crate) struct Resolved {
    /// The settings.
    pub(crate) settings: Settings,
    /// What a person should be told: keys of the file that were ignored.
    pub(crate) warnings: Vec<String>,
    origins: BTreeMap<&'static str, ValueOrigin>,
    pub(super) secrets: Vec<(&'static str, SecretString)>,
}

impl Resolved {
    /// Where a setting's value came from.
    pub(super) fn origin(&self, key: &Key) -> &ValueOrigin {
        // A value that a stronger layer took away is nobody's.
        let shown = key
            .texts(&self.settings)
            .and_then(|_| self.origins.get(key.name));
        shown.unwrap_or(&ValueOrigin::Default)
    }

    /// Whether somebody gave the setting of this name a value.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.origins
            .get(name)
            .is_some_and(|origin| !matches!(origin, ValueOrigin::Default))
    }

    /// The environment, which is always named: a command line that loses its
    /// variables must not be taken for practice.
    ///
    /// # Errors
    /// Neither `--env` nor `--base-url` is given.
    pub(crate) fn environment(&self) -> Result<&Target, CliError> {
        self.settings.environment.as_ref().ok_or_else(|| {
            CliError::usage("no environment is named").hint(
                "name the environment with --env (demo, live, staging-demo, staging-live) or \
                 --base-url; --env sandbox practises against a simulated API inside the process",
            )
        })
    }

    /// Lays one entry over what is settled so far.
    fn add(&mut self, entry: &LayerValue) -> Result<(), CliError> {
        let key = entry.key;
        key.read(&mut self.settings, &entry.texts)
            .map_err(|complaint| refuse(&entry.subject(), complaint))?;
        self.origins.insert(entry.key.name, entry.origin.clone());
        // An address may name an environment.
        if entry.key.name == "base-url" {
            self.origins.insert("env", entry.origin.clone());
        }
        Ok(())
    }

    /// How `asked` would change the value of `key`, in words.
    fn change(&self, asked: &Self, key: &Key) -> Option<String> {
        let old = key.in_words(&self.settings);
        let new = key.in_words(&asked.settings);
        let one_server = matches!(key.name, "env" | "base-url")
            && (self.settings.environment.as_ref())
                .zip(asked.settings.environment.as_ref())
                .is_some_and(|(one, other)| one.is_at(other));
        if old == new || one_server {
            return None;
        }
        if !key.shape.is_plain() {
            let subject = asked.origin(key).subject(key);
            return Some(format!("{subject}: the run is frozen with another table"));
        }
        let old = match (key.name, &self.settings.environment) {
            ("env" | "base-url", Some(environment)) => Some(environment.to_string()),
            _ => old,
        };
        Some(format!(
            "{}: the run is frozen with {}, not {}",
            asked.origin(key).subject(key),
            old.as_deref().unwrap_or("none"),
            new.as_deref().unwrap_or("none"),
        ))
    }

    /// Fills in the defaults that depend on other settings, and checks the
    /// settings against each other.
    fn finish(&mut self) -> Result<(), CliError> {
        let settings = &mut self.settings;
        if !self.origins.contains_key("rate") {
            settings.rate = default_rate(settings.environment.as_ref());
        }
        // The longest wait bounds the first; only who asks for a longer first
        // wait has to be told.
        let asked = self.origins.get("retry-initial");
        if matches!(asked, None | Some(ValueOrigin::Journal)) {
            settings.retry_initial = settings.retry_initial.min(settings.retry_max);
        }
        let settings = &self.settings;
        if let Some(environment) = &settings.environment
            && let Some(ValueOrigin::File(..)) = self.origins.get("sandbox")
            && *environment != Target::Named(Environment::Sandbox)
        {
            let subject = self.subject("sandbox");
            self.warnings.push(format!(
                "{subject}: the table is not used: the environment is {environment}"
            ));
        }
        let settings = &self.settings;
        if settings.retry_initial > settings.retry_max {
            return Err(CliError::usage(format!(
                "{}: {} is longer than the longest wait, {} ({})",
                self.subject("retry-initial"),
                duration::show(settings.retry_initial),
                duration::show(settings.retry_max),
                self.subject("retry-max"),
            )));
        }
        let scarcest = settings.rate.iter().map(|quota| quota.count).min();
        if let Some(scarcest) = scarcest.filter(|count| settings.burst > *count) {
            return Err(CliError::usage(format!(
                "{}: {} is more than the {scarcest} calls of {}",
                self.subject("burst"),
                settings.burst,
                self.subject("rate"),
            ))
            .hint("the burst is taken out of the rate's budget"));
        }
        if settings.read_first && settings.verify == Verify::Off {
            return Err(CliError::usage(format!(
                "{} and {}: off contradict each other",
                self.subject("read-first"),
                self.subject("verify"),
            ))
            .hint("--verify doubtful reads before sending, and after it only what is in doubt"));
        }
        Ok(())
    }

    /// The host's zone, where it is needed and `TZ` names none.
    fn check_zone(&mut self, unknown: Option<&str>) -> Result<(), CliError> {
        let Some(name) = unknown.filter(|_| self.settings.time_zone.is_none()) else {
            return Ok(());
        };
        let message = format!("TZ: {name:?} is not a time zone");
        if self.settings.finish_by.is_some() {
            let by = self.subject("finish-by");
            return Err(CliError::usage(format!("{message}, and {by} needs one"))
                .hint("name the zone with --time-zone, as in America/Chicago, or mend TZ"));
        }
        self.warnings
            .push(format!("{message}; times are shown in UTC"));
        Ok(())
    }

    pub(super) fn subject(&self, name: &str) -> String {
        let key = Key::named(name);
        key.map_or(name.to_owned(), |key| self.origin(key).subject(key))
    }
}

/// The settings that a variable may set.
fn plain() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| key.shape.is_plain())
}

/// Pairs that cannot both be meant in one layer. In different layers the
/// stronger one wins.
fn exclude(layer: &[LayerValue]) -> Result<(), CliError> {
    for (one, other) in [("env", "base-url"), ("quiet", "verbose")] {
        let meant = |name| {
            layer
                .iter()
                .find(|e| e.key.name == name && e.texts != ["false"])
        };
        if let (Some(one), Some(other)) = (meant(one), meant(other)) {
            let message = format!(
                "{} and {} exclude each other",
                one.subject(),
                other.subject()
            );
            return Err(CliError::usage(message).hint("leave one of them out"));
        }
    }
    Ok(())
}

/// The address that `--base-url` gives to a command that does not send, as a
/// run records it.
pub(crate) fn target_at(url: &str) -> Result<String, CliError> {
    let address = address(url).map_err(|complaint| refuse("--base-url", complaint))?;
    Ok(address.to_string())
}

/// A complaint about a value as a problem.
pub(super) fn refuse(subject: &str, complaint: ValueError) -> CliError {
    let mut problem = CliError::usage(format!("{subject}: {}", complaint.what));
    problem.hint = complaint.hint;
    problem
}

/// Names the known name that is nearest, if one is near.
pub(super) fn unknown(message: &str, name: &str, known: impl Iterator<Item = String>) -> CliError {
    CliError::usage(message).hint(match nearest(name, known) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "rescind config lists every setting".to_owned(),
    })
}

/// The known name that is nearest, if one is near: a third of the letters may
/// be wrong.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let plain = |name: &str| {
        let plain = name.to_lowercase().replace('_', "-");
        plain.trim_start_matches("rescind-").to_owned()
    };
    let wrong = plain(name);
    known
        .map(|known| (strsim::osa_distance(&plain(&known), &wrong), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 1.max(wrong.chars().count() / 3))
        .map(|(_, nearest)| nearest)
}
