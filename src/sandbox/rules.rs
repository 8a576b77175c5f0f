//! What a world is like. Every field is a key of the file that `rescind sandbox
//! --rules` is given; a misspelt one is an error.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::faults::{Fault, Faults, Odds};
use super::maintenance::Maintenance;
use super::population::Population;
use crate::sandbox::duration_serde::{self, Latency};
use crate::sandbox::request::Kind;

/// The rules of a world. The default is a gentle one: no faults, no limits
/// but the documented ones of log-in and renewal, every ID an accepted
/// permission but for the documented endings (see [`Population`]).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// What all chance comes from: the same seed, rules and requests give the
    /// same answers. Default: 1.
    pub seed: u64,
    /// Which permissions there are.
    pub population: Population,
    /// What an unknown ID does to its batch: `ignore` (default) or `refuse`.
    pub unknown: Unknown,
    /// What becomes of the other IDs of a refused batch: `all_or_nothing`
    /// (default: none is revoked) or `partial` (they are revoked all the same).
    pub refusal: RefusalRule,
    /// How a refusal is put: `text` (default: `ok:false` with an `errorText`),
    /// `violations`, `conflict` (409) or `unprocessable` (422).
    pub refusal_form: RefusalForm,
    /// What an already revoked ID does to its batch: `accept` (default: it
    /// stays revoked and nothing is said) or `refuse`.
    pub already_revoked: AlreadyRevoked,
    /// The most IDs a revocation may carry; more are answered 413 and nothing
    /// is executed. Default: no limit.
    pub max_batch: Option<usize>,
    /// The most IDs a read may ask for. Default: 500.
    pub max_items: usize,
    /// What a read of more is answered: 404 (default), 413 or 414.
    pub max_items_status: u16,
    /// The most permissions `list` shows: those the world was told of or has
    /// revoked, lowest first. Default: 1000.
    pub max_list: usize,
    /// Rolling limits over all calls, whatever they ask for and whatever is
    /// answered: `limits = [{ count = 5000, window = "1h" }]`. The call above
    /// a limit is answered 429 with an empty body and starts a lockout; the
    /// counts begin anew when it is over. Default: none.
    pub limits: Vec<Limit>,
    /// How long a lockout lasts, from the last call that touched it: a call
    /// made meanwhile is answered the same and starts it anew. Default: `1h`.
    #[serde(with = "duration_serde")]
    pub lockout: Duration,
    /// Rolling limits of single endpoints:
    /// `endpoint_limits = [{ endpoint = "revoke", count = 80, window = "1m" }]`.
    /// The endpoints are `revoke`, `items`, `item`, `list`, `log_in` (only
    /// failures count) and `renew`. The call above a limit is answered with a
    /// penalty ticket. Default: 5 failed log-ins and 15 renewals in `1h`.
    pub endpoint_limits: Vec<EndpointLimit>,
    /// How long a first penalty lasts, in whole seconds. Until it is over any
    /// call to the endpoint draws another; who comes too early himself, or
    /// with another ticket than the newest for that body, draws one twice as
    /// long as the last. Default: `5s`.
    #[serde(with = "duration_serde")]
    pub penalty: Duration,
    /// Whether penalties ask for a captcha, which no program can answer: the
    /// ticket is worth nothing, and the endpoint answers again when `lockout`
    /// is over and the limit has room. Default: false.
    pub captcha: bool,
    /// What `Retry-After` says on a 429 or 503, in whole seconds; `0s`: there
    /// is none, as in the API's documentation. Default: `0s`.
    #[serde(with = "duration_serde")]
    pub retry_after: Duration,
    /// The bearer token that is always accepted, besides those the world
    /// issues on a log-in; empty: only those. It guards nothing and is no
    /// secret. Default: `sandbox`.
    #[serde(with = "text_or_none")]
    pub token: Option<String>,
    /// How long an issued token is good for. Default: `80m`.
    #[serde(with = "duration_serde")]
    pub token_lifetime: Duration,
    /// How many sessions may be open at once. A log-in above that closes the
    /// oldest one, whose tokens are answered 401 from then on; a renewal keeps
    /// its session. The token above belongs to none. Default: 2.
    pub sessions: usize,
    /// When somebody else logs in as the same user, counted from the world's
    /// beginning: `others_log_in = ["20s", "1m"]`. Each opens a session, and may
    /// so close the client's. Default: never.
    pub others_log_in: duration_serde::Durations,
    /// The endpoints that the API key lacks the permission for: they are
    /// answered 401, whatever the token. The names are those of
    /// `endpoint_limits`, without `log_in`: `denied = ["revoke"]`. Default: none.
    pub denied: Vec<Kind>,
    /// Who may log in.
    pub log_in: LogInRules,
    /// How long an answer takes: `"20ms"`, `"10ms..30ms"`. The request is
    /// executed when it arrives, so a client that does not wait for the answer
    /// undoes nothing. Default: `0s`.
    pub latency: Latency,
    /// When the API is down: calls are unanswered, reset or answered 503, as the
    /// seed has it, and nothing is executed. Counted from the world's beginning
    /// (`maintenance = [{ after = "20s", lasts = "10s" }]`) or by the clock
    /// (`{ days = ["sat"], from = "22:00", to = "06:30", zone = "America/Chicago" }`;
    /// without `days` every day, without `zone` Chicago). With `faults =
    /// ["503", "reset_before", "hang"]`, the default, or others that leave a
    /// request undone. Default: never.
    pub maintenance: Vec<Maintenance>,
    /// How the world misbehaves.
    pub faults: Faults,
}

/// What an unknown ID does to its batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It is passed over in silence.
    #[default]
    Ignore,
    /// The batch is refused.
    Refuse,
}

/// What becomes of the other IDs of a refused batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalRule {
    /// None of them is revoked.
    #[default]
    AllOrNothing,
    /// They are revoked all the same.
    Partial,
}

/// How a refusal is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalForm {
    /// 200 with `ok:false` and an `errorText`.
    #[default]
    Text,
    /// 200 with a list of `violations`.
    Violations,
    /// 409.
    Conflict,
    /// 422.
    Unprocessable,
}

/// What an already revoked ID does to its batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlreadyRevoked {
    /// It stays revoked, and nothing is said.
    #[default]
    Accept,
    /// The batch is refused.
    Refuse,
}

/// At most `count` calls in any `window`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many calls; at least 1.
    pub count: usize,
    /// In how long a time.
    #[serde(with = "duration_serde")]
    pub window: Duration,
}

/// At most `count` calls of one endpoint in any `window`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointLimit {
    /// Of which endpoint.
    pub endpoint: Kind,
    /// How many calls; at least 1.
    pub count: usize,
    /// In how long a time.
    #[serde(with = "duration_serde")]
    pub window: Duration,
}

/// How a wrong log-in is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogInRefusal {
    /// 200 with an `errorText`.
    #[default]
    Text,
    /// 401.
    Unauthorized,
}

/// Who may log in. Like everything here they guard nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogInRules {
    /// The user's name. Default: `sandbox`.
    pub name: String,
    /// The password. Default: `sandbox`.
    pub password: String,
    /// The ID of the API key, which clients may send as text or number.
    /// Default: `1`.
    pub cid: String,
    /// The secret of the API key. Default: `sandbox`.
    pub sec: String,
    /// How wrong ones are answered: `text` (default: 200 with an `errorText`)
    /// or `unauthorized` (401).
    pub refusal: LogInRefusal,
    /// After so many failures in a row every log-in is answered 423 for the
    /// time of `lockout`, even a right one, and starts it anew; the last but
    /// one failure is answered 423, too: about to be locked out. Default:
    /// never; there is the limit of the endpoint.
    pub locked_after: Option<usize>,
}

impl Default for LogInRules {
    fn default() -> Self {
        Self {
            name: "sandbox".into(),
            password: "sandbox".into(),
            cid: "1".into(),
            sec: "sandbox".into(),
            refusal: LogInRefusal::default(),
            locked_after: None,
        }
    }
}

const HOUR: Duration = Duration::from_hours(1);

impl Default for Rules {
    fn default() -> Self {
        let limit = |endpoint, count| EndpointLimit {
            endpoint,
            count,
            window: HOUR,
        };
        Self {
            seed: 1,
            population: Population::default(),
            unknown: Unknown::default(),
            refusal: RefusalRule::default(),
            refusal_form: RefusalForm::default(),
            already_revoked: AlreadyRevoked::default(),
            max_batch: None,
            max_items: 500,
            max_items_status: 404,
            max_list: 1000,
            limits: Vec::new(),
            lockout: HOUR,
            endpoint_limits: vec![limit(Kind::LogIn, 5), limit(Kind::Renew, 15)],
            penalty: Duration::from_secs(5),
            captcha: false,
            retry_after: Duration::ZERO,
            token: Some("sandbox".into()),
            token_lifetime: Duration::from_mins(80),
            sessions: 2,
            others_log_in: duration_serde::Durations::default(),
            denied: Vec::new(),
            log_in: LogInRules::default(),
            latency: Latency::default(),
            maintenance: Vec::new(),
            faults: Faults::default(),
        }
    }
}

impl Rules {
    /// The mild world of a bare `rescind run`: some latency, a few faults on
    /// the way of a sweep of some forty batches, no limits, nothing that
    /// hangs.
    #[must_use]
    pub fn sample() -> Self {
        let ms = Duration::from_millis;
        Self {
            latency: Latency {
                min: ms(10),
                max: ms(30),
            },
            faults: Faults {
                revoke: Odds::from([
                    (Fault::ServerErrorBefore, 0.02),
                    (Fault::ServerErrorAfter, 0.02),
                    (Fault::ResetAfter, 0.01),
                ]),
                read: Odds::from([(Fault::Omit, 0.01)]),
                ..Faults::default()
            },
            ..Self::default()
        }
    }
}

/// An empty text is none: TOML has no null.
mod text_or_none {
    use super::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(
        text: &Option<String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(text.as_deref().unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_as_they_were_written() {
        let mut rules = Rules::sample();
        rules.token = None;
        rules.max_batch = Some(200);
        rules.limits.push(Limit {
            count: 5,
            window: Duration::from_millis(1500),
        });
        rules
            .faults
            .script
            .insert(Kind::LogIn, vec![Fault::None, Fault::Status(503)]);
        rules.faults.read.insert(Fault::Status(502), 0.5);
        for rules in [rules, Rules::default()] {
            rules.check().unwrap();
            let text = toml::to_string(&rules).unwrap();
            assert_eq!(toml::from_str::<Rules>(&text).unwrap(), rules, "{text}");
            let json = serde_json::to_string(&rules).unwrap();
            assert_eq!(serde_json::from_str::<Rules>(&json).unwrap(), rules);
        }
    }

    /// The names that may stand where a misspelt one does.
    fn names(prefix: &str) -> Vec<String> {
        let error = toml::from_str::<Rules>(&format!("{prefix}misspelt = 1")).unwrap_err();
        let (_, names) = error.message().split_once("expected one of ").unwrap();
        let names = names.split('`').skip(1).step_by(2);
        names.map(|name| format!("{prefix}{name}")).collect()
    }

    /// An example in comments: the line, and what its brackets hold open.
    fn example<'a>(mut lines: impl Iterator<Item = &'a str>) -> String {
        let mut text = String::new();
        loop {
            text.push_str(lines.next().unwrap().trim_start_matches("# "));
            text.push('\n');
            let count = |sign| text.matches(sign).count();
            if count('[') == count(']') && count('{') == count('}') {
                return text;
            }
        }
    }

    #[test]
    fn the_shipped_reference_has_every_key_at_its_default() {
        let text = include_str!("../../configs/sandbox.toml");
        assert_eq!(toml::from_str::<Rules>(text).unwrap(), Rules::default());
        let tables = ["population", "log_in", "faults"];
        let mut keys = names("");
        keys.retain(|key| !tables.contains(&key.as_str()));
        keys.extend(tables.iter().flat_map(|table| names(&format!("{table}."))));
        assert!(keys.len() > 35, "{keys:?}");
        for key in keys {
            let starts = |line: &str, with: &str| line.starts_with(&format!("{with}{key} = "));
            let active = text.lines().filter(|line| starts(line, "")).count();
            let examples = text
                .lines()
                .enumerate()
                .filter(|(_, line)| starts(line, "# "));
            let examples: Vec<_> = examples.map(|(at, _)| at).collect();
            // What has no default is there as an example.
            assert!(
                active == 1 || (active == 0 && !examples.is_empty()),
                "{key}"
            );
            for at in examples {
                let example = example(text.lines().skip(at));
                let rules: Rules = toml::from_str(&example).unwrap();
                rules.check().unwrap();
                assert_ne!(rules, Rules::default(), "{example}");
            }
        }
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        for text in [
            "sed = 1",
            "faults.revoke.rest_after = 0.1",
            "faults.latency = \"1s\"",
            "population.unknwon = 0.1",
            "limits = [{ count = 1, per = \"1s\" }]",
            "lockout = 3600",
            "refusal = \"all\"",
        ] {
            assert!(toml::from_str::<Rules>(text).is_err(), "{text}");
        }
    }
}
