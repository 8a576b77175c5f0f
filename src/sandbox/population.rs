//! Which permissions there are, how they behave, and what they look like.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::list::PermissionId;
use crate::sandbox::seeded_rng::SeededRng;

/// Which permissions there are. Any list can be tried: every ID is an
/// accepted permission, but for those that these rules single out.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Population {
    /// Whether the last four digits of an ID tell how it behaves: `0403` is
    /// protected (its revocation is refused), `0404` is unknown, `0409` is
    /// revoked from the beginning, `0410` is declined. Default: true.
    pub endings: bool,
    /// The share of the other IDs that are unknown, drawn from the seed and
    /// the ID like the next three. Default: 0.
    pub unknown: f64,
    /// The share that is protected. Default: 0.
    pub protected: f64,
    /// The share that is revoked from the beginning. Default: 0.
    pub revoked: f64,
    /// The share that is declined. Default: 0.
    pub declined: f64,
}

impl Default for Population {
    fn default() -> Self {
        Self {
            endings: true,
            unknown: 0.0,
            protected: 0.0,
            revoked: 0.0,
            declined: 0.0,
        }
    }
}

/// The status of a permission (API: `TradingPermission.status`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the API's own words, which it does not explain"
)]
pub enum PermissionStatus {
    Accepted,
    Approved,
    Declined,
    Requested,
    Revoked,
}

/// What a permission is before anything happens to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InitialStatus {
    Unknown,
    Protected,
    Is(PermissionStatus),
}

impl InitialStatus {
    pub(super) fn status(self) -> Option<PermissionStatus> {
        match self {
            Self::Unknown => None,
            Self::Protected => Some(PermissionStatus::Accepted),
            Self::Is(status) => Some(status),
        }
    }
}

impl Population {
    pub(super) fn shares(&self) -> [f64; 4] {
        [self.unknown, self.protected, self.revoked, self.declined]
    }

    pub(super) fn origin(&self, seed: u64, id: PermissionId) -> InitialStatus {
        const CASES: [InitialStatus; 4] = [
            InitialStatus::Unknown,
            InitialStatus::Protected,
            InitialStatus::Is(PermissionStatus::Revoked),
            InitialStatus::Is(PermissionStatus::Declined),
        ];
        if self.endings {
            match id.get() % 10_000 {
                403 => return InitialStatus::Protected,
                404 => return InitialStatus::Unknown,
                409 => return InitialStatus::Is(PermissionStatus::Revoked),
                410 => return InitialStatus::Is(PermissionStatus::Declined),
                _ => {}
            }
        }
        let mut rest = of(seed, id).unit();
        for (share, case) in self.shares().into_iter().zip(CASES) {
            if rest < share {
                return case;
            }
            rest -= share;
        }
        InitialStatus::Is(PermissionStatus::Accepted)
    }
}

fn of(seed: u64, id: PermissionId) -> SeededRng {
    SeededRng::new(seed).with(id.get().unsigned_abs())
}

/// A permission as the API shows it, with people who do not exist.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entity {
    id: PermissionId,
    user_id: u64,
    account_id: u64,
    account_holder_contact: String,
    account_holder_email: String,
    cta_contact: &'static str,
    cta_email: &'static str,
    status: PermissionStatus,
    updated: String,
    approved_by_id: u64,
}

/// 2026-01-05T09:00:00Z: when whatever was not revoked was last touched.
const GRANTED: Timestamp = Timestamp::constant(1_767_603_600, 0);

impl Entity {
    pub(super) fn new(
        seed: u64,
        id: PermissionId,
        status: PermissionStatus,
        updated: Option<Timestamp>,
    ) -> Self {
        const FIRST: [&str; 8] = [
            "Ada", "Björn", "Chidi", "Dana", "Émile", "Fatima", "Grace", "Hiro",
        ];
        const LAST: [&str; 8] = [
            "O'Neil",
            "Okafor",
            "Nakamura",
            "Lindqvist",
            "Moreau",
            "\"Mac\" Reed",
            "=Sum",
            "Rossi",
        ];
        // Names that a careless client trips over: accents, quotes, formulas.
        let number = of(seed, id).with(1).number();
        let pick = |names: [&'static str; 8], shift: u32| {
            names[usize::try_from(number >> shift & 7)
                .unwrap_or_else(|_| unreachable!("three bits fit"))]
        };
        let account = 1_000_000 + (number >> 8) % 9_000_000;
        Self {
            id,
            user_id: 100_000 + (number >> 32) % 900_000,
            account_id: account,
            account_holder_contact: format!("{} {}", pick(FIRST, 0), pick(LAST, 3)),
            account_holder_email: format!("holder{account}@example.com"),
            cta_contact: "Sandbox Vendor",
            cta_email: "permissions@example.com",
            status,
            updated: updated.unwrap_or(GRANTED).to_string(),
            approved_by_id: 4711,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: i64) -> PermissionId {
        PermissionId::try_from(number).unwrap()
    }

    #[test]
    fn endings_tell_how_an_id_behaves() {
        let population = Population::default();
        for (number, origin) in [
            (403, InitialStatus::Protected),
            (1_234_560_403, InitialStatus::Protected),
            (1_234_560_404, InitialStatus::Unknown),
            (1_234_560_409, InitialStatus::Is(PermissionStatus::Revoked)),
            (1_234_560_410, InitialStatus::Is(PermissionStatus::Declined)),
            (1_234_561_404, InitialStatus::Is(PermissionStatus::Accepted)),
        ] {
            assert_eq!(population.origin(1, id(number)), origin, "{number}");
        }
        let plain = Population {
            endings: false,
            ..population
        };
        assert_eq!(
            plain.origin(1, id(404)),
            InitialStatus::Is(PermissionStatus::Accepted)
        );
    }

    #[test]
    fn shares_are_drawn_from_the_seed() {
        let population = Population {
            endings: false,
            unknown: 0.1,
            declined: 0.2,
            ..Population::default()
        };
        let count = |seed, origin| {
            let ids = 1..=10_000;
            ids.filter(|n| population.origin(seed, id(*n)) == origin)
                .count()
        };
        assert!((900..1100).contains(&count(1, InitialStatus::Unknown)));
        assert!((1850..2150).contains(&count(1, InitialStatus::Is(PermissionStatus::Declined))));
        let moved = (1..=10_000)
            .filter(|n| population.origin(1, id(*n)) != population.origin(2, id(*n)))
            .count();
        assert!(moved > 1000);
    }
}
