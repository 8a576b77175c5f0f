//! The promise that a damaged journal is not followed: whatever is altered or
//! cut, either the program says that the journal is damaged and sends nothing
//! from then on, or no harm is done. No ID is revoked that is not in the list,
//! and none is claimed falsely.

use std::{fs, path::Path};

use fastrand::Rng;
use rescind::sandbox::Rules;

use crate::support::scratch;
use crate::{
    support::crash::{
        claims::{Terms, Verify, examine, settled},
        finish::finish,
        interrupted::{Interruption, unhurried},
        rig::{List, Sandbox, Site, gentle},
    },
    support::process::Running,
};

/// What a journal or its log may have lost, a run may do again.
const PARTLY: Terms = Terms {
    verify: Verify::All,
    whole: false,
};

/// That its log is gone is noticed: the journal's own file says so.
const WHOLLY: Terms = Terms {
    whole: true,
    ..PARTLY
};

/// An address of this test's own: nobody else takes the port in between.
const ADDRESS: &str = "127.0.0.77:0";

const OPTIONS: [&str; 16] = [
    "--batch-size",
    "10",
    "--read-size",
    "50",
    "--rate",
    "unlimited",
    "--timeout",
    "2s",
    "--retry-initial",
    "5ms",
    "--retry-max",
    "20ms",
    "--progress",
    "never",
    "--workers",
    "4",
];

/// A run that was killed in its middle, to be damaged again and again.
struct Original {
    home: tempfile::TempDir,
    rules: Rules,
    list: List,
    address: String,
}

impl Original {
    fn of(seed: u64) -> Self {
        let home = scratch();
        let mut rng = Rng::with_seed(seed);
        let list = List::write(home.path().join("list.csv"), &mut rng, 300, 2);
        let rules = gentle(seed);
        let interruption = Interruption {
            listen: ADDRESS,
            rules: unhurried(rules.clone()),
            happened: 4_500,
        };
        let (_, sandbox) = interruption.of((home.path(), home.path()), &list, &OPTIONS);
        let address = sandbox.url.trim_start_matches("http://");
        Self {
            address: address.trim_end_matches("/v1").to_owned(),
            home,
            rules,
            list,
        }
    }

    /// The run, its world and its site once more, in `home`, at the address
    /// that is frozen.
    fn copied(&self, home: &Path) -> (Site, Sandbox) {
        fs::copy(self.home.path().join("one.world"), home.join("one.world")).unwrap();
        let sandbox = Sandbox::serve_at(&self.address, home, "one", self.rules.clone());
        let site = Site::new(home, "one", &OPTIONS);
        copy(&self.home.path().join("one/runs"), site.runs.path());
        (site, sandbox)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&from, &to),
            kind if kind.is_file() => drop(fs::copy(from, to).unwrap()),
            _ => {}
        }
    }
}

/// Alters a file somewhere; says how.
fn alter(file: &Path, rng: &mut Rng) -> String {
    let mut bytes = fs::read(file).unwrap();
    let at = rng.usize(..bytes.len());
    let how = match rng.u32(0..6) {
        0 => {
            bytes[at] ^= 1 << rng.u32(0..8);
            "one bit"
        }
        1 => {
            bytes[at] = rng.u8(..);
            "one byte"
        }
        2 => {
            let end = bytes.len().min(at + rng.usize(1..64));
            bytes[at..end].fill_with(|| rng.u8(..));
            "some bytes"
        }
        3 => {
            let page = at / 4096 * 4096;
            let end = bytes.len().min(page + 4096);
            bytes[page..end].fill(0);
            "a page"
        }
        4 => {
            bytes.truncate(at);
            "cut"
        }
        _ => {
            let digits: Vec<_> = (0..bytes.len())
                .filter(|at| bytes[*at].is_ascii_digit())
                .collect();
            let at = rng.choice(digits).unwrap();
            bytes[at] = rng.u8(b'0'..=b'9');
            "one digit"
        }
    };
    fs::write(file, bytes).unwrap();
    format!("{} at {at}: {how}", file.display())
}

/// What came of it.
#[derive(Default, Debug)]
struct Outcome {
    /// Before anything was sent.
    noticed: usize,
    /// When the report was to be made.
    late: usize,
    harmless: usize,
}

/// Damages the run and carries it on.
fn damage(original: &Original, seed: u64, outcome: &mut Outcome) {
    let mut rng = Rng::with_seed(seed);
    let home = scratch();
    let (site, sandbox) = original.copied(home.path());
    let list = &original.list;
    let command = site.command(list, &sandbox);
    let run = site.run().unwrap();
    let file = |end: &str| run.path().join(format!("journal.db{end}"));
    let (terms, how) = match rng.u32(0..10) {
        0 => {
            // As where the journal's own file was copied, and that alone.
            fs::remove_file(file("-wal")).unwrap();
            (WHOLLY, "the log is lost".to_owned())
        }
        1 => {
            fs::write(file("-shm"), vec![rng.u8(..); 32 << 10]).unwrap();
            (WHOLLY, "its index is altered".to_owned())
        }
        2 | 3 => (PARTLY, alter(&file("-wal"), &mut rng)),
        _ => {
            // All of it in one file.
            let journal = rusqlite::Connection::open(run.journal()).unwrap();
            journal
                .pragma_update(None, "journal_mode", "DELETE")
                .unwrap();
            drop(journal);
            (PARTLY, alter(&run.journal(), &mut rng))
        }
    };
    let told = format!("seed {seed}, {how}");
    let before = sandbox.look().truth();
    let mut command = command;
    let ended = Running::start(&mut command).end();
    let truth = sandbox.look().truth();
    let ours = |id| list.natures.contains_key(id);
    assert!(truth.revoked.keys().all(ours), "{told}: not in the list");
    assert_eq!(truth.mistakes, [], "{told}");
    match ended.code {
        Some(1) => {
            assert!(ended.err.contains("error: "), "{told}: {}", ended.err);
            assert!(ended.err.contains("hint: "), "{told}: {}", ended.err);
            if truth.calls.len() == before.calls.len() {
                outcome.noticed += 1;
                return;
            }
            // In words of a call, which nothing follows from: they are not
            // looked at before the report is made.
            outcome.late += 1;
            let again = Running::start(&mut site.command(list, &sandbox)).end();
            assert_eq!(again.code, Some(1), "{told}: {}", again.err);
            let sent = sandbox.look().truth().calls.len() - truth.calls.len();
            assert_eq!(sent, 0, "{told}: {}", again.err);
        }
        // A setting or the address that was altered: it leads nowhere.
        Some(2 | 5 | 6) if truth.revoked.len() == before.revoked.len() => outcome.noticed += 1,
        Some(3) => {
            outcome.harmless += 1;
            let claims = std::panic::catch_unwind(|| {
                examine(&run, &sandbox, list, terms);
                settled(&site, list, terms);
            });
            assert!(claims.is_ok(), "{told}: {}\n{}", ended.out, ended.err);
        }
        _ => panic!("{told}: exit {:?}\n{}", ended.code, ended.err),
    }
}

#[test]
fn a_journal_altered_or_cut_anywhere_is_noticed_or_harmless() {
    let original = Original::of(1);
    let mut outcome = Outcome::default();
    let trials: u32 = std::env::var("TRIALS").map_or(40, |trials| trials.parse().unwrap());
    for seed in 0..trials {
        damage(&original, seed.into(), &mut outcome);
    }
    assert!(outcome.late * 10 < trials as usize, "{outcome:?}");
    assert!(outcome.noticed > 5, "{outcome:?}");
    assert!(outcome.harmless > 5, "{outcome:?}");
    // The original is none the worse.
    let home = scratch();
    let (site, sandbox) = original.copied(home.path());
    finish(&site, &sandbox, &original.list);
    settled(&site, &original.list, PARTLY);
}

/// Puts one text in the place of another of the same length, as only a bad
/// disk does it: in the bytes of the file.
fn overwrite(file: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(file).unwrap();
    // What was moved may stand in its old place, too.
    let found: Vec<_> = memchr::memmem::find_iter(&bytes, from.as_bytes()).collect();
    assert!(!found.is_empty(), "{from} is not there");
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    fs::write(file, bytes).unwrap();
}

/// One text of a journal.
fn of(journal: &Path, query: &str) -> String {
    let db = rusqlite::Connection::open(journal).unwrap();
    db.query_row(query, [], |row| row.get(0)).unwrap()
}

/// What is said of a journal to which this was done.
type Tamper<'a> = (&'static str, &'a dyn Fn(&Path));

/// Each guard by itself: what it alone would notice.
#[test]
fn an_altered_list_or_page_is_refused_before_anything_is_sent() {
    let original = Original::of(2);
    let tampers: [Tamper<'_>; 2] = [
        ("its rows are not those that were frozen", &|journal| {
            let ids = of(journal, "SELECT ids FROM member WHERE batch = 30");
            let digit = if ids.contains('8') {
                ("8", "9")
            } else {
                ("1", "2")
            };
            overwrite(journal, &ids, &ids.replacen(digit.0, digit.1, 1));
        }),
        ("is damaged: ", &|journal| {
            let db = rusqlite::Connection::open(journal).unwrap();
            let page: i64 = db
                .query_row(
                    "SELECT rootpage FROM sqlite_schema WHERE name = 'sighting'",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            drop(db);
            // A table that nothing was read from yet.
            let mut bytes = fs::read(journal).unwrap();
            let at = (usize::try_from(page).unwrap() - 1) * 4096;
            bytes[at + 3..at + 7].fill(0xff);
            fs::write(journal, bytes).unwrap();
        }),
    ];
    for (cause, tamper) in tampers {
        let home = scratch();
        let (site, sandbox) = original.copied(home.path());
        let mut command = site.command(&original.list, &sandbox);
        let journal = site.run().unwrap().journal();
        let db = rusqlite::Connection::open(&journal).unwrap();
        db.pragma_update(None, "journal_mode", "DELETE").unwrap();
        drop(db);
        tamper(&journal);
        let before = sandbox.look().truth().calls.len();
        let ended = Running::start(&mut command).end();
        assert_eq!(ended.code, Some(1), "{cause}: {}", ended.err);
        ended.says(cause);
        assert_eq!(sandbox.look().truth().calls.len(), before, "{cause}");
    }
}
