use super::*;

const FOUND: [Found; 4] = [
    Found::Revoked,
    Found::Active,
    Found::Declined,
    Found::Absent,
];

const CONTEXTS: [(&str, Context<'_>); 7] = [
    ("before", Context::BeforeSending),
    ("doubt", doubt(false, false)),
    ("last", doubt(true, false)),
    ("resend", doubt(false, true)),
    ("resend-last", doubt(true, true)),
    ("readback", Context::ReadBack),
    ("verify", Context::Verification { date: "D" }),
];

const fn doubt(last: bool, resend: bool) -> Context<'static> {
    Context::InDoubt { last, resend }
}

/// Context; state and reason, with `+` what was accepted and with `!` what
/// owes a read; what an earlier read showed. Then what IDs become that are
/// shown as revoked, active, declined, or are absent: state, reason, and what
/// the read showed.
const TABLE: &str = "
before   pending.                       .       | revoked already_revoked revoked | pending . active                       | refused declined . | missing absent absent
before   exhausted http_400             .       | revoked already_revoked revoked | pending . active                       | refused declined . | missing absent absent
doubt    unknown http_500               .       | revoked . revoked               | pending . active                       | refused declined . | missing absent absent
doubt    unknown+ read_failed           .       | revoked . revoked               | unknown verification_mismatch active   | refused declined . | missing absent absent
doubt    unknown+ verification_mismatch active  | revoked . revoked               | unknown verification_mismatch active   | refused declined . | missing absent absent
last     unknown http_500               .       | revoked . revoked               | exhausted still_active active          | refused declined . | missing absent absent
last     unknown+ read_failed           .       | revoked . revoked               | unknown verification_mismatch active   | refused declined . | missing absent absent
resend   unknown http_500               .       | revoked . revoked               | pending . active                       | refused declined . | missing absent absent
resend   unknown+ verification_mismatch active  | revoked . revoked               | pending . active                       | refused declined . | missing absent absent
readback revoked+! unverified           .       | revoked . revoked               | unknown verification_mismatch active   | refused declined . | missing absent absent
readback unknown+ verification_mismatch active  | revoked . revoked               | unknown verification_mismatch active   | refused declined . | missing absent absent
readback unknown! not_isolated          .       | revoked . revoked               | exhausted not_isolated active          | refused declined . | missing absent absent
readback refused! violation             .       | revoked . revoked               | refused violation active               | refused declined . | missing absent absent
readback exhausted! http_403            .       | revoked . revoked               | exhausted http_403 active              | refused declined . | missing absent absent
verify   pending.                       .       | revoked already_revoked revoked | pending . .                            | pending . .                            | pending . .
verify   in_flight.                     .       | revoked . revoked               | unknown crash .                        | unknown crash .                        | unknown crash .
verify   exhausted http_400             .       | revoked . revoked               | exhausted http_400 .                   | exhausted http_400 .                   | exhausted http_400 .
verify   exhausted! http_403            .       | revoked . revoked               | exhausted http_403 active              | refused declined . | missing absent absent
verify   unknown http_500               .       | revoked . revoked               | unknown http_500 .                     | unknown http_500 .                     | unknown http_500 .
verify   unknown+ verification_mismatch active  | revoked . revoked               | unknown verification_mismatch active   | unknown verification_mismatch active   | unknown verification_mismatch active
verify   revoked+! unverified           .       | revoked . revoked               | unknown verification_mismatch active   | refused declined . | missing absent absent
verify   refused! refused               .       | revoked . revoked               | refused refused active                 | refused declined . | missing absent absent
verify   revoked+ unverified            .       | revoked . revoked               | revoked verification_mismatch active   | refused declined . | revoked absent absent
verify   revoked+.                      revoked | revoked . revoked               | revoked active_later active            | refused declined . | revoked absent_later absent
verify   revoked already_revoked        revoked | revoked already_revoked revoked | revoked active_later active            | refused declined . | revoked absent_later absent
verify   revoked+ active_later          active  | revoked . revoked               | revoked active_later active            | refused declined . | revoked absent_later absent
verify   revoked+ absent_later          absent  | revoked . revoked               | revoked active_later active            | refused declined . | revoked absent_later absent
verify   refused refused                active  | revoked . revoked               | refused refused active                 | refused declined . | missing absent absent
verify   missing absent                 absent  | revoked . revoked               | missing active_later active            | refused declined . | missing absent absent
verify   divided.                       .       | divided . .                     | divided . .                            | divided . .        | divided . .";

fn recorded(state: &str, reason: &str, shown: &str) -> Recorded {
    let word = state.trim_end_matches(['+', '!', '.']);
    Recorded {
        state: State::from_word(word).unwrap(),
        accepted: state.contains('+'),
        reason: Cow::Owned(reason.to_owned()),
        message: "as it was".to_owned(),
        verified: Verified::from_word(shown.trim_matches('.')).unwrap(),
        owed: state.contains('!'),
    }
}

#[test]
fn what_a_read_makes_of_each_state_is_this_table() {
    for line in TABLE.trim().lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let words: Vec<_> = cells[0].split_whitespace().collect();
        let (reason, shown) = match words[2..] {
            [shown] => ("", shown),
            [reason, shown] => (reason, shown),
            _ => panic!("{line}"),
        };
        let before = recorded(words[1], reason, shown);
        let context = CONTEXTS.iter().find(|one| one.0 == words[0]).unwrap().1;
        for (found, expected) in FOUND.into_iter().zip(&cells[1..]) {
            let (state, finding) = settle(&before, found, context);
            let dotted = |word: &str| if word.is_empty() { "." } else { word }.to_owned();
            let after = [
                state.to_string(),
                dotted(&finding.reason),
                dotted(finding.verified.word()),
            ];
            assert_eq!(after.join(" "), *expected, "{found:?}: {}", cells[0]);
        }
    }
}

/// Each state with all that may be recorded of it.
fn every_record() -> Vec<Recorded> {
    let mut all = Vec::new();
    for state in State::SHOWN.into_iter().chain([State::Divided]) {
        for reason in [
            "",
            "http_500",
            NOT_ISOLATED,
            ALREADY_REVOKED,
            VERIFICATION_MISMATCH,
        ] {
            for verified in ["", "revoked", "active", "absent", "unreadable"] {
                for flags in 0..4 {
                    all.push(Recorded {
                        state,
                        accepted: flags & 1 > 0,
                        reason: Cow::Borrowed(reason),
                        message: String::new(),
                        verified: Verified::from_word(verified).unwrap(),
                        owed: flags & 2 > 0,
                    });
                }
            }
        }
    }
    all
}

#[test]
fn whatever_is_shown_as_revoked_is_revoked() {
    for (name, context) in CONTEXTS {
        for before in every_record() {
            let (state, finding) = settle(&before, Found::Revoked, context);
            if before.state != State::Divided || name != "verify" {
                assert_eq!(state, State::Revoked, "{name} {before:?}");
                assert_eq!(finding.verified, Verified::Revoked, "{name} {before:?}");
            }
        }
    }
}

#[test]
fn a_verification_makes_nothing_sendable() {
    for before in every_record().iter().filter(|one| !one.state.is_sendable()) {
        for found in FOUND {
            let (state, _) = settle(before, found, Context::Verification { date: "D" });
            assert!(!state.is_sendable(), "{before:?} {found:?}");
        }
    }
}

#[test]
fn what_was_accepted_is_sent_again_only_if_a_person_asks() {
    for (name, context) in CONTEXTS {
        let accepted = |one: &&Recorded| {
            one.accepted && one.reason != NOT_ISOLATED && !one.state.is_sendable()
        };
        for before in every_record().iter().filter(accepted) {
            for found in FOUND {
                let (state, _) = settle(before, found, context);
                let asked = name.starts_with("resend") || name == "before";
                assert!(!state.is_sendable() || asked, "{name} {before:?} {found:?}");
            }
        }
    }
}

/// The journal takes every outcome.
#[test]
fn no_outcome_is_a_step_that_the_journal_refuses() {
    for line in TABLE.trim().lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let words: Vec<_> = cells[0].split_whitespace().collect();
        let before = recorded(words[1], "", ".").state;
        for after in &cells[1..] {
            let after = State::from_word(after.split_whitespace().next().unwrap()).unwrap();
            let stays = before == State::Divided;
            assert!(stays || before.may_become(after), "{line}: {after}");
        }
    }
}
