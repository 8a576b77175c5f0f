//! What is done for a request that was let in, and what is said about it.

use std::io;

use hyper::header::{HeaderValue, RETRY_AFTER};
use serde_json::json;

use super::faults::Fault;
use super::population::{Entity, InitialStatus, PermissionStatus};
use super::rules::{AlreadyRevoked, RefusalForm, RefusalRule, Unknown};
use super::sessions::timestamp;
use super::world::WorldState;
use crate::list::PermissionId;
use crate::sandbox::limits::Draw;
use crate::sandbox::request::{Ask, Kind};
use crate::sandbox::response::Reply;
use crate::sandbox::seeded_rng::SeededRng;
use crate::sandbox::state::{Event, Moment, after};

/// What a proxy shows in the API's place.
pub(super) const HTML: &str = "<!doctype html><title>Just a moment</title><p>Please wait.</p>";

impl WorldState {
    /// The status of a permission as it is now.
    pub(super) fn status(&self, id: PermissionId) -> Option<PermissionStatus> {
        match self.facts.held(id) {
            Some(held) => held.status,
            None => self.origin(id).status(),
        }
    }

    fn origin(&self, id: PermissionId) -> InitialStatus {
        self.rules.population.origin(self.rules.seed, id)
    }

    /// Does what is asked, with a fault that leaves it to be done.
    pub(super) fn execute(
        &mut self,
        ask: &Ask,
        fault: Fault,
        dice: SeededRng,
        now: Moment,
    ) -> io::Result<Reply> {
        match ask {
            Ask::Revoke(revoke) => self.revoke(&revoke.ids, dice, now),
            Ask::Items(ids) if ids.len() > self.rules.max_items => {
                Ok(self.refusal(self.rules.max_items_status))
            }
            Ask::Items(ids) => {
                let found = ids.iter().filter_map(|id| self.entity(*id)).collect();
                Ok(Reply::json(&disarray(found, fault, dice)))
            }
            Ask::Item(id) => Ok(match self.entity(*id) {
                Some(entity) => Reply::json(&entity),
                None => self.refusal(404),
            }),
            Ask::List => {
                let ids = self.facts.ids().into_iter();
                let found = ids.filter_map(|id| self.entity(id));
                let found = found.take(self.rules.max_list).collect();
                Ok(Reply::json(&disarray(found, fault, dice)))
            }
            Ask::LogIn(log_in) => self.log_in(log_in, now),
            Ask::Renew(session) => self.issue(*session, now),
        }
    }

    fn entity(&self, id: PermissionId) -> Option<Entity> {
        let status = self.status(id)?;
        let updated = self.facts.revoked_at(id).map(timestamp);
        Some(Entity::new(self.rules.seed, id, status, updated))
    }

    /// Executes a revocation and says how it went.
    pub(super) fn revoke(
        &mut self,
        ids: &[PermissionId],
        dice: SeededRng,
        now: Moment,
    ) -> io::Result<Reply> {
        let rules = &self.rules;
        if rules.max_batch.is_some_and(|most| ids.len() > most) {
            return Ok(self.refusal(413));
        }
        let mut good = Vec::new();
        let mut objections: Vec<&'static str> = Vec::new();
        for id in ids {
            let objection = match self.status(*id) {
                None if rules.unknown == Unknown::Ignore => continue,
                None => "permission not found",
                Some(PermissionStatus::Revoked)
                    if rules.already_revoked == AlreadyRevoked::Accept =>
                {
                    continue;
                }
                Some(PermissionStatus::Revoked) => "permission is already revoked",
                Some(PermissionStatus::Declined) => "permission was declined",
                Some(_) if self.is_protected(*id) => "permission is protected",
                Some(_) => {
                    good.push(*id);
                    continue;
                }
            };
            if !objections.contains(&objection) {
                objections.push(objection);
            }
        }
        let form = rules.refusal_form;
        let spared = !objections.is_empty() && rules.refusal == RefusalRule::AllOrNothing;
        if !spared && !good.is_empty() {
            self.record(Event::Revoked { at: now, ids: good })?;
        }
        if objections.is_empty() {
            return Ok(accepted(dice));
        }
        Ok(refused(&objections, form))
    }

    fn is_protected(&self, id: PermissionId) -> bool {
        // A permission that a test has set anew behaves as it was set.
        let born = || self.facts.held(id).is_none() && self.origin(id) == InitialStatus::Protected;
        self.facts.is_protected(id) || born()
    }

    /// The plain answer with a status from 400 to 599.
    pub(super) fn refusal(&self, status: u16) -> Reply {
        let mut reply = match status {
            // As documented, and a 423 like it.
            423 | 429 => Reply::text(status, ""),
            404 => Reply::text(status, "Not Found"),
            500 => Reply::text(status, "Internal Server Error"),
            _ => Reply::text(status, format!("The sandbox answers {status}")),
        };
        let wait = self.rules.retry_after.as_secs();
        if matches!(status, 429 | 503)
            && wait > 0
            && let Some(headers) = reply.headers_mut()
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        reply
    }

    /// What a fault makes of an answer, or puts in its place where nothing
    /// was executed.
    pub(super) fn spoil(
        &mut self,
        fault: Fault,
        kind: Kind,
        ask: &Ask,
        key: u64,
        dice: SeededRng,
        now: Moment,
    ) -> io::Result<Reply> {
        if fault.executes() {
            let reply = self.execute(ask, fault, dice, now)?;
            return Ok(match fault {
                Fault::ServerErrorAfter => self.refusal(500),
                Fault::ResetAfter => Reply::Reset,
                Fault::Truncated => reply.truncated(),
                _ => reply,
            });
        }
        match fault {
            Fault::ResetBefore => Ok(Reply::Reset),
            Fault::Late => {
                if let Ask::Revoke(revoke) = ask {
                    let due = after(now, self.rules.faults.late_by);
                    let ids = revoke.ids.clone();
                    self.record(Event::Late { due, ids })?;
                }
                Ok(Reply::Hang)
            }
            Fault::Hang => Ok(Reply::Hang),
            Fault::NotJson => Ok(Reply::html(HTML)),
            Fault::Lie => Ok(accepted(dice)),
            Fault::Penalty => self.penalise(kind, key, Draw::Plain, now),
            Fault::Captcha => self.penalise(kind, key, Draw::Captcha, now),
            Fault::Status(status @ (423 | 429)) => self.lock_out(status, false, now),
            Fault::Status(status) => Ok(self.refusal(status)),
            _ => Ok(self.refusal(500)),
        }
    }
}

/// `ok:true`, with an empty `errorText` in each of its documented forms.
fn accepted(dice: SeededRng) -> Reply {
    Reply::json(&match dice.number() % 3 {
        0 => json!({ "ok": true }),
        1 => json!({ "ok": true, "errorText": null }),
        _ => json!({ "ok": true, "errorText": "" }),
    })
}

fn refused(objections: &[&'static str], form: RefusalForm) -> Reply {
    // The API never says which of the IDs it means.
    let text = format!(
        "Some permissions cannot be revoked: {}",
        objections.join("; ")
    );
    match form {
        RefusalForm::Text => Reply::json(&json!({ "ok": false, "errorText": text })),
        RefusalForm::Violations => Reply::json(&json!({ "violations": [{
            "constraint": "revocable",
            "value": "tradingPermissionIds",
            "description": text,
        }] })),
        RefusalForm::Conflict => Reply::text(409, text),
        RefusalForm::Unprocessable => Reply::text(422, text),
    }
}

/// Spoils the answer of a read of several.
fn disarray(mut found: Vec<Entity>, fault: Fault, dice: SeededRng) -> Vec<Entity> {
    if found.is_empty() {
        return found;
    }
    let pick = usize::try_from(dice.with(1).number() % found.len() as u64)
        .unwrap_or_else(|_| unreachable!("less than a length"));
    match fault {
        Fault::Omit => {
            // A tenth of them, and at least one.
            let some = found.len().div_ceil(10);
            found.rotate_left(pick);
            found.truncate(found.len() - some);
        }
        Fault::Reorder => {
            found.rotate_left(pick);
            found.reverse();
        }
        Fault::Duplicate => {
            let twice = found[pick].clone();
            found.push(twice);
        }
        _ => {}
    }
    found
}
