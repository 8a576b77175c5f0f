//! How the world misbehaves: the kinds of fault, how often each strikes, and
//! the script that overrides chance.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::sandbox::duration_serde;
use crate::sandbox::request::Kind;
use crate::sandbox::seeded_rng::SeededRng;

/// One way for a call to go wrong. In the settings a fault is a word
/// (`server_error_after`) or the three digits of an HTTP status (`503`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fault {
    /// `none`: nothing goes wrong; for scripts.
    None,
    /// `slow`: answered well, but [`Faults::slow_by`] later.
    Slow,
    /// `server_error_before`: 500, and nothing was executed.
    ServerErrorBefore,
    /// `server_error_after`: executed, and answered 500.
    ServerErrorAfter,
    /// `reset_before`: the connection is reset, and nothing was executed.
    ResetBefore,
    /// `reset_after`: executed, and the connection is reset.
    ResetAfter,
    /// `late`: never answered, and executed [`Faults::late_by`] later.
    Late,
    /// `hang`: never answered and never executed.
    Hang,
    /// `truncated`: executed, and the answer breaks off in the middle.
    Truncated,
    /// `not_json`: 200 with a page of HTML, as a proxy may answer; not
    /// executed.
    NotJson,
    /// `lie`: answered `ok:true` and not executed (revocations only).
    Lie,
    /// `omit`: some permissions are missing from the answer (reads of several
    /// only, like the next two).
    Omit,
    /// `reorder`: the permissions come in another order.
    Reorder,
    /// `duplicate`: one permission comes twice.
    Duplicate,
    /// `penalty`: a penalty ticket, as if a limit of the endpoint was exceeded.
    Penalty,
    /// `captcha`: a penalty that asks for a captcha, and lasts as long as a
    /// lockout; the ticket is worth nothing.
    Captcha,
    /// Answered with this HTTP status from 400 to 599; not executed. 423 and
    /// 429 start a lockout.
    Status(u16),
}

/// The words for all faults but [`Fault::Status`].
const WORDS: [(Fault, &str); 16] = [
    (Fault::None, "none"),
    (Fault::Slow, "slow"),
    (Fault::ServerErrorBefore, "server_error_before"),
    (Fault::ServerErrorAfter, "server_error_after"),
    (Fault::ResetBefore, "reset_before"),
    (Fault::ResetAfter, "reset_after"),
    (Fault::Late, "late"),
    (Fault::Hang, "hang"),
    (Fault::Truncated, "truncated"),
    (Fault::NotJson, "not_json"),
    (Fault::Lie, "lie"),
    (Fault::Omit, "omit"),
    (Fault::Reorder, "reorder"),
    (Fault::Duplicate, "duplicate"),
    (Fault::Penalty, "penalty"),
    (Fault::Captcha, "captcha"),
];

/// A word that is no fault.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither a fault nor an HTTP status from 400 to 599")]
pub struct UnknownFault(String);

impl Fault {
    /// Whether the fault leaves the request to be executed before the answer.
    pub(super) fn executes(self) -> bool {
        match self {
            Self::None
            | Self::Slow
            | Self::ServerErrorAfter
            | Self::ResetAfter
            | Self::Truncated
            | Self::Omit
            | Self::Reorder
            | Self::Duplicate => true,
            Self::ServerErrorBefore
            | Self::ResetBefore
            | Self::Late
            | Self::Hang
            | Self::NotJson
            | Self::Lie
            | Self::Penalty
            | Self::Captcha
            | Self::Status(_) => false,
        }
    }

    /// Whether the fault can befall such a call.
    pub(super) fn befalls(self, kind: Kind) -> bool {
        match self {
            _ if kind == Kind::Other => false,
            Self::Lie => kind == Kind::Revoke,
            Self::Omit | Self::Reorder | Self::Duplicate => {
                matches!(kind, Kind::Items | Kind::List)
            }
            Self::Status(status) => (400..600).contains(&status),
            _ => true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            word => f.write_str(
                WORDS
                    .iter()
                    .find_map(|(fault, name)| (fault == word).then_some(name))
                    .unwrap_or_else(|| unreachable!("the table holds every other fault")),
            ),
        }
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let word = WORDS
            .iter()
            .find_map(|(fault, name)| (*name == text).then_some(*fault));
        let status = || text.parse().ok().filter(|s| (400..600).contains(s));
        word.or_else(|| status().map(Self::Status))
            .ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

impl TryFrom<String> for Fault {
    type Error = UnknownFault;

    fn try_from(text: String) -> Result<Self, UnknownFault> {
        text.parse()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

/// How often each fault strikes: a share of the calls from 0 to 1. One call
/// meets one fault at the most, so the shares add up to 1 at the most.
pub type Odds = BTreeMap<Fault, f64>;

/// The faults of a world; by default there are none.
///
/// Whether a fault strikes depends on the seed, on what is asked for (the kind
/// of call and its IDs) and on how often the very same was asked before, and
/// on nothing else: not on time, on workers or on the order of calls.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Faults of revocations, as `fault = share`:
    /// `revoke = { server_error_after = 0.02, 503 = 0.01 }`. Default: none.
    pub revoke: Odds,
    /// Faults of the reads (`item`, `items` and `list`), likewise. Default:
    /// none. Log-ins and renewals have only those of a script.
    pub read: Odds,
    /// How much later the fault `slow` answers. Default: `2s`.
    #[serde(with = "duration_serde")]
    pub slow_by: Duration,
    /// How long after its arrival the fault `late` executes a revocation.
    /// Default: `90s`, half a minute after a client with the usual time-out
    /// gave up.
    #[serde(with = "duration_serde")]
    pub late_by: Duration,
    /// Faults of the first calls of a kind, in the order in which they arrive,
    /// instead of those by chance; `none` lets one pass:
    /// `script = { revoke = ["none", "reset_after"], items = ["503"] }`. The
    /// kinds are `revoke`, `items`, `item`, `list`, `log_in` and `renew`. Calls
    /// turned away before (a lockout, a wrong request) use nothing up.
    /// Default: none.
    pub script: BTreeMap<Kind, Vec<Fault>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            revoke: Odds::new(),
            read: Odds::new(),
            slow_by: Duration::from_secs(2),
            late_by: Duration::from_secs(90),
            script: BTreeMap::new(),
        }
    }
}

impl Faults {
    /// The fault of one call by chance.
    pub(super) fn draw(&self, kind: Kind, dice: SeededRng) -> Fault {
        let odds = match kind {
            Kind::Revoke => &self.revoke,
            Kind::Items | Kind::Item | Kind::List => &self.read,
            Kind::LogIn | Kind::Renew | Kind::Other => return Fault::None,
        };
        let mut rest = dice.unit();
        for (fault, share) in odds {
            if rest < *share {
                // `omit` and its like have no meaning for a read of one.
                return if fault.befalls(kind) {
                    *fault
                } else {
                    Fault::None
                };
            }
            rest -= share;
        }
        Fault::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_reads_back_as_it_was_written() {
        for (fault, word) in WORDS {
            assert_eq!(fault.to_string(), word);
            assert_eq!(word.parse::<Fault>().unwrap(), fault);
        }
        assert_eq!("503".parse::<Fault>().unwrap(), Fault::Status(503));
        for text in ["200", "600", "0503x", "reset"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn faults_strike_as_often_as_asked() {
        let faults = Faults {
            revoke: Odds::from([(Fault::ResetAfter, 0.1), (Fault::Status(503), 0.2)]),
            ..Faults::default()
        };
        let mut struck = BTreeMap::new();
        for n in 0..10_000 {
            let fault = faults.draw(Kind::Revoke, SeededRng::new(7).with(n));
            *struck.entry(fault).or_insert(0) += 1;
        }
        assert_eq!(struck.len(), 3);
        assert!((900..1100).contains(&struck[&Fault::ResetAfter]));
        assert!((1850..2150).contains(&struck[&Fault::Status(503)]));
    }
}
