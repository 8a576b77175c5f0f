//! Comparing what a journal claims with what the world knows.

use std::collections::{BTreeMap, BTreeSet};

use rescind::{
    api::{Answer, Call, Response, Secrets},
    journal::State,
    list::PermissionId,
    sandbox::PermissionStatus,
};
use serde_json::Value;

use crate::support::in_process::{OnWire, Stage};

/// The IDs that a call carries or asks for.
pub(crate) fn carried(call: &Call) -> Vec<PermissionId> {
    match call {
        Call::Revoke(body) => {
            let body: Value = serde_json::from_slice(body).unwrap();
            let ids = body["tradingPermissionIds"].as_array().unwrap();
            ids.iter()
                .map(|id| PermissionId::try_from(id.as_i64().unwrap()).unwrap())
                .collect()
        }
        Call::Items(ids) => ids.clone(),
        Call::Item(id) => vec![*id],
        Call::LogIn(_) | Call::Renew => Vec::new(),
    }
}

pub(crate) fn is_post(call: &OnWire) -> bool {
    matches!(call.call, Call::Revoke(_))
}

/// How many revocations went over the wire.
pub(crate) fn posts(stage: &Stage) -> usize {
    stage
        .wire
        .calls()
        .iter()
        .filter(|call| is_post(call))
        .count()
}

/// A complete answer with status 200.
pub(crate) fn ok(body: impl Into<String>) -> Answer {
    Answer::Response(Response {
        status: 200,
        retry_after: None,
        date: None,
        body: body.into().into(),
        secrets: Secrets::default(),
    })
}

/// An answer with a status and nothing else.
pub(crate) fn status(status: u16) -> Answer {
    Answer::Response(Response {
        status,
        retry_after: None,
        date: None,
        body: Vec::new().into(),
        secrets: Secrets::default(),
    })
}

/// Whether nothing is left to do.
pub(crate) fn finished(stage: &Stage) -> bool {
    let tally = stage.tally();
    let open = [
        State::Pending,
        State::InFlight,
        State::Exhausted,
        State::Unknown,
    ];
    open.iter().all(|state| tally.of(*state) == 0) && stage.archive().owed().unwrap() == 0
}

/// Promises 1 and 2: every ID is in exactly one undivided batch, the states
/// add up, and no claim goes beyond what the world holds.
pub(crate) fn audit(
    stage: &Stage,
    ids: &[PermissionId],
) -> BTreeMap<PermissionId, (State, String)> {
    let claims = stage.claims();
    let listed: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(claims.keys().copied().collect::<BTreeSet<_>>(), listed);
    let tally = stage.tally();
    assert_eq!(tally.total(), ids.len() as u64);
    for state in State::SHOWN {
        let claimed = claims.values().filter(|claim| claim.0 == state).count();
        assert_eq!(tally.of(state), claimed as u64, "{state}");
    }
    for (id, (state, reason)) in &claims {
        let held = stage.world.status(*id);
        match state {
            // Accepted, and it says that nobody has looked yet.
            State::Revoked if reason == "unverified" => {}
            State::Revoked => assert_eq!(held, Some(PermissionStatus::Revoked), "{id} {reason}"),
            State::Missing => assert_eq!(held, None, "{id} {reason}"),
            State::Refused if reason == "declined" => {
                assert_eq!(held, Some(PermissionStatus::Declined), "{id}");
            }
            State::Refused => assert_eq!(held, Some(PermissionStatus::Accepted), "{id} {reason}"),
            _ => {}
        }
    }
    assert_eq!(stage.world.truth().mistakes, []);
    claims
}

/// How many IDs are claimed to be in `state` for `reason`.
pub(crate) fn count(
    claims: &BTreeMap<PermissionId, (State, String)>,
    state: State,
    reason: &str,
) -> usize {
    let claim = (state, reason.to_owned());
    claims.values().filter(|other| **other == claim).count()
}
