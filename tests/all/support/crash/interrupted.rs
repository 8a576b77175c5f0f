//! A run that was killed in its middle.

use std::{fs, path::Path, time::Duration};

use rescind::sandbox::{Latency, Rules};

use super::rig::{List, Moment, Sandbox, Site};

/// So often a run may come to its end before it is killed.
const TRIES: usize = 20;

/// A sandbox's rules, and when a run in it is killed.
pub(crate) struct Interruption<'a> {
    /// Where the sandbox listens.
    pub(crate) listen: &'a str,
    pub(crate) rules: Rules,
    /// When the sandbox's log has so many bytes.
    pub(crate) happened: u64,
}

impl Interruption<'_> {
    /// Starts a run below `site_home` in a sandbox below `home`, and kills it
    /// in its middle. Where it was quicker than the kill, it is set up anew.
    pub(crate) fn of(
        &self,
        (home, site_home): (&Path, &Path),
        list: &List,
        options: &[&str],
    ) -> (Site, Sandbox) {
        for _ in 0..TRIES {
            let sandbox = Sandbox::serve_at(self.listen, home, "one", self.rules.clone());
            let site = Site::new(site_home, "one", options);
            let moment = Moment::Happened(self.happened);
            let ended = site.until(moment, site.command(list, &sandbox), &sandbox);
            if ended.is_none() {
                sandbox.quiet();
                return (site, sandbox);
            }
            drop(sandbox);
            fs::remove_file(home.join("one.world")).unwrap();
            fs::remove_dir_all(site_home.join("one")).unwrap();
        }
        panic!("no run was killed in its middle");
    }
}

/// A time for every answer that gives the kill its time, too.
pub(crate) fn unhurried(rules: Rules) -> Rules {
    Rules {
        latency: Latency {
            min: Duration::from_millis(5),
            max: Duration::from_millis(20),
        },
        ..rules
    }
}
