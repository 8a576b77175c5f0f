//! A world that is kept in a file is the same world after a restart.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::PathBuf,
};

use super::*;
use crate::sandbox::event_log::EventLog;
use crate::sandbox::{Fault, Kind, PermissionStatus, SandboxError};

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world");
    (folder, path)
}

fn reopen(rules: Rules, path: &std::path::Path) -> World {
    World::open(rules, Some(path)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_on_record() {
    let (_folder, path) = place();
    let world = reopen(Rules::default(), &path);
    let door = door(&world);
    for n in 1..=20 {
        let batch = n * 10..n * 10 + 5;
        assert!(call(&door, revoke(batch.clone())).await.ok());
        // The process could be killed here.
        let copy = World::look(Rules::default(), &path).unwrap();
        for n in batch {
            assert_eq!(copy.status(id(n)), Some(PermissionStatus::Revoked));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_world_is_the_same() {
    let (_folder, path) = place();
    let text = "limits = [{ count = 10, window = '1h' }]\nfaults.script.revoke = ['503', '502']";
    let world = reopen(rules(text), &path);
    let before = {
        let door = door(&world);
        assert_eq!(call(&door, revoke([1])).await.status(), 503);
        world.set(id(5), None).unwrap();
        world.protect(id(6)).unwrap();
        world.set(id(7), Some(PermissionStatus::Requested)).unwrap();
        send(&world, get("/v1/nowhere")).await;
        world.script(Kind::Items, [Fault::None, Fault::Status(500)]);
        call(&door, Call::Items(ids([1]))).await;
        world.truth()
    };
    drop(world);

    let world = reopen(rules(text), &path);
    let door = door(&world);
    assert_eq!(format!("{:?}", world.truth()), format!("{before:?}"));
    assert_eq!(world.status(id(5)), None);
    assert_eq!(world.status(id(7)), Some(PermissionStatus::Requested));
    // The script goes on where it was, and the limit still counts.
    assert_eq!(call(&door, revoke([1])).await.status(), 502);
    assert!(call(&door, revoke([1])).await.ok());
    assert!(call(&door, revoke([1])).await.ok());
    assert!(!call(&door, revoke([6])).await.ok());
    for _ in 0..3 {
        assert_eq!(call(&door, Call::Item(id(1))).await.status(), 200);
    }
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 429);
    let before = world.truth();
    assert_eq!(before.posted_again(), [(id(1), 1)].into());
    drop((world, door));

    let world = reopen(rules(text), &path);
    assert_eq!(format!("{:?}", world.truth()), format!("{before:?}"));
    let door = super::door(&world);
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 429);
    assert_eq!(world.truth().touched, 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_tickets_and_late_revocations_outlive_a_restart() {
    let (_folder, path) = place();
    let world = reopen(Rules::default(), &path);
    let got = send(&world, get("/v1/auth/renewaccesstoken")).await;
    let token = got.json()["accessToken"].as_str().unwrap().to_owned();
    world.script(Kind::Revoke, [Fault::Penalty, Fault::Late]);
    let (ticket, _) = call(&door(&world), revoke([1])).await.ticket();
    advance(6.0).await;
    call(&door(&world), revoke([2])).await;
    drop(world);

    let world = reopen(Rules::default(), &path);
    let door = door(&world).with_token(token);
    advance(6.0).await;
    assert!(call(&door, with_ticket([1], &ticket)).await.ok());
    assert_eq!(world.status(id(2)), Some(PermissionStatus::Accepted));
    advance(90.0).await;
    assert_eq!(world.status(id(2)), Some(PermissionStatus::Revoked));
    assert_eq!(world.truth().mistakes, []);
}

#[tokio::test(start_paused = true)]
async fn faults_by_chance_go_on_after_a_restart_as_without_one() {
    let chance = "faults.revoke = { 503 = 0.3, lie = 0.3 }";
    let (_folder, path) = place();
    let whole = world(rules(chance));
    for _ in 0..20 {
        let world = reopen(rules(chance), &path);
        for n in 1..=3 {
            let expected = call(&door(&whole), revoke([n])).await;
            assert_eq!(call(&door(&world), revoke([n])).await, expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_torn_last_line_is_forgotten_wherever_it_is_torn() {
    let (_folder, path) = place();
    let world = reopen(Rules::default(), &path);
    call(&door(&world), revoke([1])).await;
    let whole = fs::read(&path).unwrap();
    call(&door(&world), revoke([2])).await;
    drop(world);
    let longer = fs::read(&path).unwrap();
    let mut states = std::collections::BTreeSet::new();
    for length in 0..=longer.len() {
        fs::write(&path, &longer[..length]).unwrap();
        let world = reopen(Rules::default(), &path);
        let revoked = world.truth().revoked.len();
        states.insert(revoked);
        if length >= whole.len() {
            assert!(world.truth().revoked.contains_key(&id(1)), "{length}");
        }
        // What follows a torn line can be read, too.
        call(&door(&world), revoke([3])).await;
        drop(world);
        let world = reopen(Rules::default(), &path);
        assert_eq!(world.truth().revoked.len(), revoked + 1, "{length}");
    }
    assert_eq!(states, [0, 1, 2].into());
}

#[tokio::test]
async fn a_damaged_file_is_named_with_its_line() {
    let (_folder, path) = place();
    let world = reopen(Rules::default(), &path);
    call(&door(&world), revoke([1])).await;
    drop(world);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"revoked\":\n{\"late_over\":1}\n")
        .unwrap();
    let error = World::open(Rules::default(), Some(&path)).err().unwrap();
    assert!(
        matches!(error, SandboxError::Damaged { line: 5, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_world_is_left_alone() {
    for content in ["1\n2\n", "x", "{\"rescind_sandbox_world\":2}\n"] {
        let (_folder, path) = place();
        fs::write(&path, content).unwrap();
        let error = World::open(Rules::default(), Some(&path)).err().unwrap();
        assert!(matches!(error, SandboxError::NoWorld(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn two_worlds_never_share_a_file() {
    let (_folder, path) = place();
    let first = reopen(Rules::default(), &path);
    let error = World::open(Rules::default(), Some(&path)).err().unwrap();
    assert!(matches!(error, SandboxError::InUse(_)), "{error}");
    drop(first);
    reopen(Rules::default(), &path);
}

#[tokio::test]
async fn looking_at_a_world_changes_nothing() {
    let (_folder, path) = place();
    let world = reopen(Rules::default(), &path);
    call(&door(&world), revoke([1])).await;
    let before = fs::read(&path).unwrap();
    let copy = World::look(Rules::default(), &path).unwrap();
    call(&door(&copy), revoke([2])).await;
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(world.status(id(2)), Some(PermissionStatus::Accepted));
}

#[tokio::test]
async fn what_cannot_be_written_is_not_executed() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let world = World::start(Rules::default(), |facts| {
        // Its beginning is on record already.
        facts.born = 1;
        Ok(EventLog::File(full))
    });
    let world = world.unwrap();
    for _ in 0..2 {
        assert_eq!(call(&door(&world), revoke([1])).await.status(), 500);
    }
    assert_eq!(world.status(id(1)), Some(PermissionStatus::Accepted));
    assert!(world.set(id(1), None).is_err());
}

#[tokio::test(start_paused = true)]
async fn time_never_runs_backwards_over_a_restart() {
    let (_folder, path) = place();
    let world = reopen(Rules::default(), &path);
    advance(86_400.0).await;
    call(&door(&world), revoke([1])).await;
    let then = world.now();
    drop(world);
    let world = reopen(Rules::default(), &path);
    assert!(world.now() >= then);
    advance(1.0).await;
    assert!(world.now() >= then + Duration::from_secs(1));
    let at = world.truth().calls[0].at;
    assert_eq!(
        world.instant(world.now()).unwrap(),
        tokio::time::Instant::now()
    );
    assert!(at <= then);
}
