//! An API that keeps to the rules, but for the calls that a fault befalls.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::scripted_server::{Greeting, Heard, Server, Step, http, send};

/// The kinds of call it knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Revoke,
    Read,
}

/// A fault: which calls it befalls (the n-th of its kind, from 1), whether
/// they are executed, and what is done instead of answering.
pub(crate) struct Fault {
    pub(crate) befalls: fn(Kind, usize) -> bool,
    pub(crate) executes: bool,
    pub(crate) steps: Arc<dyn Fn() -> Vec<Step> + Send + Sync>,
}

/// The API, with what it knows.
pub(crate) struct Puppet {
    pub(crate) server: Server,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    revoked: BTreeSet<i64>,
    posted_again: BTreeSet<i64>,
    revocations: usize,
    reads: usize,
}

impl Puppet {
    pub(crate) fn start(greeting: Greeting, fault: Fault) -> Self {
        let known = Arc::<Mutex<Known>>::default();
        let inside = Arc::clone(&known);
        let server = Server::start(greeting, move |heard| {
            inside.lock().unwrap().answer(heard, &fault)
        });
        Self { server, known }
    }

    /// The IDs that it revoked.
    pub(crate) fn revoked(&self) -> BTreeSet<i64> {
        self.known.lock().unwrap().revoked.clone()
    }

    /// The IDs that arrived in a revocation although they were revoked.
    pub(crate) fn posted_again(&self) -> BTreeSet<i64> {
        self.known.lock().unwrap().posted_again.clone()
    }
}

impl Known {
    fn answer(&mut self, heard: &Heard, fault: &Fault) -> Vec<Step> {
        if heard.target().ends_with("/auth/renewaccesstoken") {
            // A token that was handed in and refused cannot be renewed here.
            return vec![send(http("401 Unauthorized", "", ""))];
        }
        let (kind, number) = if heard.head.starts_with("POST ") {
            self.revocations += 1;
            (Kind::Revoke, self.revocations)
        } else {
            self.reads += 1;
            (Kind::Read, self.reads)
        };
        let struck = (fault.befalls)(kind, number);
        let body = match kind {
            Kind::Revoke if !struck || fault.executes => self.revoke(&heard.body),
            Kind::Revoke => String::new(),
            Kind::Read => self.read(heard.target()),
        };
        if struck {
            return (fault.steps)();
        }
        vec![send(http("200 OK", "", body))]
    }

    fn revoke(&mut self, body: &[u8]) -> String {
        let body: Value = serde_json::from_slice(body).unwrap();
        for id in body["tradingPermissionIds"].as_array().unwrap() {
            let id = id.as_i64().unwrap();
            if !self.revoked.insert(id) {
                self.posted_again.insert(id);
            }
        }
        json!({"ok": true}).to_string()
    }

    fn read(&self, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap();
        let (_, ids) = query.split_once('=').unwrap();
        let shown = ids.split(',').map(|id| {
            let id: i64 = id.parse().unwrap();
            let revoked = self.revoked.contains(&id);
            json!({"id": id, "status": if revoked { "Revoked" } else { "Accepted" }})
        });
        let shown: Vec<Value> = shown.collect();
        match shown.as_slice() {
            [one] if path.ends_with("/item") => one.to_string(),
            _ => Value::from(shown).to_string(),
        }
    }
}
