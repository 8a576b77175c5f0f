//! A token command that takes as long as one may.

use crate::support::process::{Running, Site};

const MARKED: &str = "mArKeD-s3cr3t-7f3a";

#[test]
fn a_command_that_is_too_slow_does_not_repeat_what_it_gave() {
    let site = Site::new("");
    let list = site.list([1001]);
    let mut command = site.command(&site.run_line(&list));
    command.env_remove("RESCIND_TOKEN");
    let slow = format!("sh -c 'echo {MARKED}; exec sleep 60'");
    command.env("RESCIND_TOKEN_COMMAND", slow);
    let ended = Running::start(&mut command)
        .end()
        .with(2)
        .says("did not finish within 30 s");
    assert!(!ended.err.contains(MARKED), "{}", ended.err);
    assert!(!ended.out.contains(MARKED), "{}", ended.out);
    site.is_untouched();
}
