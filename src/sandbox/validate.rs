//! Whether rules can be followed, as far as their types leave it open.

use super::faults::Fault;
use super::rules::{EndpointLimit, Rules};
use crate::sandbox::request::Kind;

/// What is wrong with a set of rules.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRules {
    /// A share that is no number from 0 to 1, or shares above 1 together.
    #[error("`{0}` holds shares that are not from 0 to 1 or add up to more than 1")]
    Shares(&'static str),
    /// A fault that has no meaning for such a call.
    #[error("the fault `{fault}` has no meaning in `{place}`")]
    Misplaced {
        /// The fault.
        fault: Fault,
        /// The key it stands in.
        place: String,
    },
    /// A limit of no calls, of no time or of no endpoint.
    #[error("a limit in `{0}` has no count, no window or no endpoint")]
    Limit(&'static str),
    /// A status that no read of too many IDs is answered.
    #[error("`max_items_status` is {0} and must be 404, 413 or 414")]
    Status(u16),
    /// No session at all, or a lock after no failure.
    #[error("`{0}` must be at least 1")]
    Nothing(&'static str),
    /// An endpoint that cannot be denied.
    #[error("`denied` holds `{0}`, which needs no permission")]
    Denied(&'static str),
    /// Log-ins that are not in the order of time.
    #[error("`others_log_in` is not in the order of time")]
    Order,
    /// A latency whose end comes before its beginning.
    #[error("`latency` ends before it begins")]
    Latency,
}

impl Rules {
    /// Checks what the types leave open.
    ///
    /// # Errors
    ///
    /// The first rule that cannot be followed.
    pub fn check(&self) -> Result<(), InvalidRules> {
        shares("population", self.population.shares())?;
        shares("faults.revoke", self.faults.revoke.values().copied())?;
        shares("faults.read", self.faults.read.values().copied())?;
        let revoke = self.faults.revoke.keys().map(|fault| (Kind::Revoke, fault));
        let read = self.faults.read.keys().map(|fault| (Kind::Items, fault));
        for (kind, fault) in revoke.chain(read) {
            if !fault.befalls(kind) {
                let place = match kind {
                    Kind::Revoke => "faults.revoke".to_owned(),
                    _ => "faults.read".to_owned(),
                };
                let fault = *fault;
                return Err(InvalidRules::Misplaced { fault, place });
            }
        }
        for (kind, script) in &self.faults.script {
            if let Some(fault) = script.iter().find(|fault| !fault.befalls(*kind)) {
                let place = format!("faults.script.{}", kind.name());
                let fault = *fault;
                return Err(InvalidRules::Misplaced { fault, place });
            }
        }
        if self
            .limits
            .iter()
            .any(|l| l.count == 0 || l.window.is_zero())
        {
            return Err(InvalidRules::Limit("limits"));
        }
        let empty =
            |l: &EndpointLimit| l.count == 0 || l.window.is_zero() || l.endpoint == Kind::Other;
        if self.endpoint_limits.iter().any(empty) {
            return Err(InvalidRules::Limit("endpoint_limits"));
        }
        if !matches!(self.max_items_status, 404 | 413 | 414) {
            return Err(InvalidRules::Status(self.max_items_status));
        }
        if self.sessions == 0 {
            return Err(InvalidRules::Nothing("sessions"));
        }
        if self.log_in.locked_after == Some(0) {
            return Err(InvalidRules::Nothing("log_in.locked_after"));
        }
        let free = |kind: &&Kind| matches!(kind, Kind::LogIn | Kind::Other);
        if let Some(kind) = self.denied.iter().find(free) {
            return Err(InvalidRules::Denied(kind.name()));
        }
        if !self.others_log_in.0.is_sorted() {
            return Err(InvalidRules::Order);
        }
        if self.latency.min > self.latency.max {
            return Err(InvalidRules::Latency);
        }
        Ok(())
    }
}

fn shares(place: &'static str, shares: impl IntoIterator<Item = f64>) -> Result<(), InvalidRules> {
    let mut sum = 0.0;
    for share in shares {
        if !(0.0..=1.0).contains(&share) {
            return Err(InvalidRules::Shares(place));
        }
        sum += share;
    }
    // Ten shares of a tenth may add up to a little more than 1.
    if sum > 1.0 + 1e-9 {
        return Err(InvalidRules::Shares(place));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_cannot_be_followed_are_refused() {
        for text in [
            "faults.revoke.omit = 0.1",
            "faults.read.lie = 0.1",
            "faults.read = { 503 = 0.6, hang = 0.5 }",
            "faults.revoke.hang = -0.1",
            "faults.script.item = [\"omit\"]",
            "faults.script.other = [\"503\"]",
            "endpoint_limits = [{ endpoint = \"other\", count = 1, window = \"1s\" }]",
            "population.unknown = 1.5",
            "limits = [{ count = 0, window = \"1s\" }]",
            "endpoint_limits = [{ endpoint = \"renew\", count = 1, window = \"0s\" }]",
            "max_items_status = 200",
            "sessions = 0",
            "log_in.locked_after = 0",
            "denied = ['log_in']",
            "denied = ['other']",
            "others_log_in = ['2s', '1s']",
        ] {
            let rules: Rules = toml::from_str(text).unwrap();
            assert!(rules.check().is_err(), "{text}");
        }
    }
}
