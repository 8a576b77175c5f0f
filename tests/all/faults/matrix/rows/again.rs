//! Connections that are used again: what the second call comes to.

use super::super::{
    column::Column,
    expect::Expect::{Bad, Lost},
    row::{Again, Section, twice},
    wire::{Step, http, send},
};

fn good(column: Column) -> Vec<u8> {
    http("200 OK", "", column.good())
}

/// What the second call is answered; whatever is left over of the first says
/// the opposite.
fn second(column: Column) -> Vec<Step> {
    vec![send(http("200 OK", "", column.bad()))]
}

pub(super) fn used_again() -> Section {
    let moment = std::time::Duration::from_millis(20);
    Section {
        title: "The second call on a connection",
        rows: vec![
            twice(
                "kept alive",
                Bad,
                Again::AtOnce,
                |column| vec![send(good(column))],
                second,
            ),
            twice(
                "`connection: close`",
                Bad,
                Again::AtOnce,
                |column| {
                    let answer = http("200 OK", "connection: close\r\n", column.good());
                    vec![send(answer), Step::Close]
                },
                second,
            ),
            twice(
                "closed after the first answer",
                Bad,
                Again::WhenOver,
                |column| vec![send(good(column)), Step::Close],
                second,
            ),
            twice(
                "reset after the first answer",
                Bad,
                Again::WhenOver,
                |column| vec![send(good(column)), Step::UntilRead, Step::Reset],
                second,
            ),
            twice(
                "closed when the second request comes",
                Lost("reset"),
                Again::AtOnce,
                |column| vec![send(good(column))],
                |_| vec![Step::Close],
            ),
            twice(
                "reset when the second request comes",
                Lost("reset"),
                Again::AtOnce,
                |column| vec![send(good(column))],
                |_| vec![Step::Reset],
            ),
            twice(
                "a second answer came along with the first",
                Bad,
                Again::AtOnce,
                |column| vec![send([good(column), good(column)].concat())],
                second,
            ),
            twice(
                "a second answer came a moment after the first",
                Bad,
                Again::WhenOver,
                move |column| vec![send(good(column)), Step::Pause(moment), send(good(column))],
                second,
            ),
            twice(
                "the first answer was longer than it said",
                Bad,
                Again::AtOnce,
                |column| vec![send([good(column), b"{\"ok\":true}".to_vec()].concat())],
                second,
            ),
            twice(
                "a 408 came while nothing was asked",
                Bad,
                Again::WhenOver,
                move |column| {
                    let late = http("408 Request Timeout", "connection: close\r\n", "");
                    vec![
                        send(good(column)),
                        Step::Pause(moment),
                        send(late),
                        Step::Close,
                    ]
                },
                second,
            ),
        ],
    }
}
