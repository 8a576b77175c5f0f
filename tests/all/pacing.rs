//! The pace: no rolling window ever holds more than its calls.

use crate::stage::{Stage, plain_ids, quota};

#[tokio::test(start_paused = true)]
async fn a_plain_sweep_comes_through() {
    let mut stage = Stage::new(Default::default(), &plain_ids(100), 10);
    stage.policy.rate = vec![quota(5, 1)];
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert_eq!(stage.world.truth().revoked.len(), 100);
}
