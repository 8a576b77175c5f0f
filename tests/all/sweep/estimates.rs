//! What is said beforehand of how long a run will take is what it takes.

use std::time::Duration;

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};
use rescind::{
    journal::{HoldCause, Remaining},
    sweep::{Avoid, Deadline, EstimateInput, Past, Reason, Verify, Workload, estimate},
};

use crate::support::in_process::{Stage, Start, plain_ids, quota, rules};

const SECOND: Duration = Duration::from_secs(1);
const MIN: Duration = Duration::from_mins(1);

/// What else there is to get in the way of a run.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    Clear,
    Window,
    Hold,
    Used,
    Deadline,
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_as_long_as_was_said() {
    for (ids, batch_size, read_size, verify, read_first) in [
        (200, 1, 10, Verify::All, false),
        (400, 4, 4, Verify::All, true),
        (150, 1, 5, Verify::Off, false),
        (300, 3, 10, Verify::Doubtful, false),
    ] {
        for way in [Way::Clear, Way::Window, Way::Hold, Way::Used, Way::Deadline] {
            let mut stage = Stage::new(rules("latency = '50ms'"), &plain_ids(ids), batch_size);
            stage.policy.rate = vec![quota(120, 3_600), quota(2, 60), quota(5, 1)];
            stage.policy.verify = verify;
            stage.policy.read_first = read_first;
            stage.policy.read_size = read_size;
            let wall: Timestamp = "2026-11-23T01:00:00Z".parse().unwrap();
            let mut past = Past::default();
            let timetable = &mut stage.policy.timetable;
            match way {
                Way::Clear => {}
                Way::Window => timetable.avoid.push(Avoid {
                    name: String::new(),
                    days: vec![Weekday::Monday],
                    from: "01:30".parse().unwrap(),
                    to: "02:20".parse().unwrap(),
                    to_day: None,
                    zone: TimeZone::UTC,
                }),
                Way::Hold => {
                    past.hold = Some(Remaining {
                        cause: HoldCause::Lockout,
                        detail: String::new(),
                        left: 50 * MIN,
                    });
                }
                // Nearly all of the hour, a while ago.
                Way::Used => past.calls = vec![20 * MIN; 110],
                Way::Deadline => {
                    timetable.deadline = Some(Deadline {
                        at: wall + 40 * MIN,
                        setting: String::new(),
                    });
                }
            }
            let workload = Workload {
                ids: ids as u64,
                batch_size: batch_size as u64,
                read_size: read_size as u64,
                verify,
                read_first,
            };
            let outlook = EstimateInput {
                now: wall,
                rate: &stage.policy.rate,
                used: &past.calls,
                hold: past.hold.as_ref().map_or(Duration::ZERO, |hold| hold.left),
                timetable: &stage.policy.timetable,
                takes: stage.policy.timeout,
            };
            let said = estimate(workload.calls(), &outlook).unwrap();
            let start = Start {
                past,
                wall: Some(wall),
                ..Start::default()
            };
            let ended = stage.begin(start).await.end().await;
            let case = format!("{workload:?}, {way:?}");
            let calls = stage.wire.calls().len() as u64;
            if way == Way::Deadline {
                assert!(matches!(ended.reason, Some(Reason::Deferred(_))), "{case}");
                assert!(
                    !said.fits() && said.in_time.abs_diff(calls) <= 1,
                    "{calls}: {case}"
                );
                continue;
            }
            assert_eq!((ended.reason, calls), (None, said.calls), "{case}");
            assert!(said.fits(), "{case}");
            let lasts = said.lasts().unwrap();
            // Some room is left in every window of the limits, and so the last
            // call before a window to avoid may come after it.
            let most = lasts + lasts / 200 + 30 * SECOND;
            assert!(
                ended.took + SECOND >= lasts && ended.took <= most,
                "{:?} instead of {lasts:?}: {case}",
                ended.took
            );
            assert_eq!(
                said.hold + said.window > MIN,
                matches!(way, Way::Window | Way::Hold)
            );
            assert_eq!(said.budget > MIN, way == Way::Used, "{case}");
        }
    }
}
