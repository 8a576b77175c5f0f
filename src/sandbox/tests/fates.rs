//! What becomes of permissions: revocations, refusals, reads.

use super::*;
use crate::sandbox::PermissionStatus;

#[tokio::test]
async fn a_revocation_is_seen_by_both_reads() {
    let world = world(Rules::default());
    let door = door(&world);
    let before = call(&door, Call::Items(ids([7, 8]))).await;
    let accepted = |id| (id, "Accepted".to_owned());
    assert_eq!(before.shown(), [accepted(7), accepted(8)]);
    assert!(call(&door, revoke([7])).await.ok());
    let after = call(&door, Call::Items(ids([7, 8]))).await;
    assert_eq!(after.shown(), [(7, "Revoked".to_owned()), accepted(8)]);
    let one = call(&door, Call::Item(id(7))).await;
    assert_eq!(one.json()["status"], "Revoked");
    assert_eq!(world.status(id(7)), Some(PermissionStatus::Revoked));
    let list = send(&world, get("/v1/tradingPermission/list")).await;
    assert_eq!(list.shown(), [(7, "Revoked".to_owned())]);
}

#[tokio::test]
async fn an_entity_has_every_field_of_the_api() {
    let world = world(Rules::default());
    let got = call(&door(&world), Call::Item(id(7))).await;
    let entity = got.json().as_object().unwrap();
    let mut fields: Vec<_> = entity.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "accountHolderContact",
            "accountHolderEmail",
            "accountId",
            "approvedById",
            "ctaContact",
            "ctaEmail",
            "id",
            "status",
            "updated",
            "userId",
        ]
    );
    let mail = entity["accountHolderEmail"].as_str().unwrap();
    assert!(mail.ends_with("@example.com"), "{mail}");
}

#[tokio::test]
async fn unknown_ids_are_left_out_of_a_read_and_404_alone() {
    let world = world(Rules::default());
    let door = door(&world);
    let several = call(&door, Call::Items(ids([404, 1, 10_404]))).await;
    assert_eq!(several.shown().len(), 1);
    let none = call(&door, Call::Items(ids([404]))).await;
    assert_eq!(none, Got::Json(200, serde_json::json!([])));
    assert_eq!(call(&door, Call::Item(id(404))).await.status(), 404);
}

#[tokio::test]
async fn a_read_of_too_many_is_refused_as_the_rules_say() {
    for status in [404, 413, 414] {
        let world = world(Rules {
            max_items: 13,
            max_items_status: status,
            ..Rules::default()
        });
        let door = door(&world);
        let got = call(&door, Call::Items(ids(1..=13))).await;
        assert_eq!(got.shown().len(), 13);
        let got = call(&door, Call::Items(ids(1..=14))).await;
        assert_eq!(got.status(), status);
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_not_executed() {
    let world = world(rules("max_batch = 2"));
    let door = door(&world);
    assert_eq!(call(&door, revoke([1, 2, 3])).await.status(), 413);
    assert!(world.truth().revoked.is_empty());
    assert!(call(&door, revoke([1, 2])).await.ok());
}

/// What a batch of good and bad IDs comes to, under each of the rules.
#[tokio::test]
async fn refusals_follow_the_rules() {
    for (text, batch, ok, revoked) in [
        // Unknown.
        ("", [1, 404, 2], true, &[1, 2][..]),
        ("unknown = 'refuse'", [1, 404, 2], false, &[]),
        (
            "unknown = 'refuse'\nrefusal = 'partial'",
            [1, 404, 2],
            false,
            &[1, 2],
        ),
        // Protected.
        ("", [1, 403, 2], false, &[]),
        ("refusal = 'partial'", [1, 403, 2], false, &[1, 2]),
        // Revoked from the beginning.
        ("", [1, 409, 2], true, &[1, 2]),
        ("already_revoked = 'refuse'", [1, 409, 2], false, &[]),
        // Declined.
        ("", [1, 410, 2], false, &[]),
        ("refusal = 'partial'", [1, 410, 2], false, &[1, 2]),
        (
            "population.endings = false",
            [410, 403, 404],
            true,
            &[403, 404, 410],
        ),
    ] {
        let world = world(rules(text));
        let got = call(&door(&world), revoke(batch)).await;
        assert_eq!(got.ok(), ok, "{text}: {got:?}");
        let truth = world.truth();
        let actual: Vec<_> = truth.revoked.keys().map(|id| id.get()).collect();
        assert_eq!(actual, revoked, "{text}");
        if !ok {
            let error = got.json()["errorText"].as_str().unwrap();
            assert!(!error.is_empty(), "{text}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_put_as_the_rules_say() {
    for (form, status) in [
        ("text", 200),
        ("violations", 200),
        ("conflict", 409),
        ("unprocessable", 422),
    ] {
        let world = world(rules(&format!("refusal_form = '{form}'")));
        let got = call(&door(&world), revoke([403])).await;
        assert_eq!(got.status(), status, "{form}");
        match form {
            "text" => assert_eq!(got.json()["ok"], false),
            "violations" => {
                let violation = &got.json()["violations"][0];
                assert!(violation["constraint"].is_string());
                assert!(violation["value"].is_string());
                assert!(violation["description"].is_string());
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn ids_posted_again_are_noted() {
    let world = world(Rules::default());
    let door = door(&world);
    call(&door, revoke([1, 2])).await;
    assert!(world.truth().posted_again().is_empty());
    // Revoked from the beginning: nobody's fault.
    call(&door, revoke([409])).await;
    call(&door, revoke([409])).await;
    assert!(world.truth().posted_again().is_empty());
    call(&door, revoke([2, 3])).await;
    call(&door, revoke([2])).await;
    assert_eq!(world.truth().posted_again(), [(id(2), 2)].into());
}

#[tokio::test]
async fn a_test_can_say_what_a_permission_is() {
    let world = world(Rules::default());
    let door = door(&world);
    world.set(id(1), None).unwrap();
    world
        .set(id(404), Some(PermissionStatus::Requested))
        .unwrap();
    world
        .set(id(403), Some(PermissionStatus::Approved))
        .unwrap();
    world.protect(id(2)).unwrap();
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 404);
    assert!(!call(&door, revoke([2])).await.ok());
    assert!(call(&door, revoke([403, 404])).await.ok());
    assert_eq!(world.truth().revoked.len(), 2);
    // Granted anew: revoked once is still on record, and may be again.
    world
        .set(id(404), Some(PermissionStatus::Accepted))
        .unwrap();
    assert_eq!(world.status(id(404)), Some(PermissionStatus::Accepted));
    assert_eq!(world.truth().revoked.len(), 2);
    assert!(call(&door, revoke([404])).await.ok());
    assert!(world.truth().posted_again().is_empty());
}
