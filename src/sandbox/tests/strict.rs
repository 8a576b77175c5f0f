//! A request that is wrong is an error, not a shrug.

use super::*;
use crate::sandbox::Kind;

#[tokio::test]
async fn every_wrong_request_is_turned_away_and_counted() {
    let good = r#"{"tradingPermissionIds":[1]}"#;
    let bodies = [
        "",
        "[1]",
        "{}",
        r#"{"tradingPermissionIds":[]}"#,
        r#"{"tradingPermissionIds":[1],"ids":[2]}"#,
        r#"{"tradingPermissionIds":[1],"tradingPermissionIds":[2]}"#,
        r#"{"tradingPermissionIds":["1"]}"#,
        r#"{"tradingPermissionIds":[1.0]}"#,
        r#"{"tradingPermissionIds":[1e3]}"#,
        r#"{"tradingPermissionIds":[0]}"#,
        r#"{"tradingPermissionIds":[-1]}"#,
        r#"{"tradingPermissionIds":[9223372036854775808]}"#,
        r#"{"tradingPermissionIds":[1,2,1]}"#,
        r#"{"tradingPermissionIds":[1],"p-ticket":7}"#,
        r#"{"tradingPermissionIds":[1]} {}"#,
        r#"{"tradingPermissionId":1}"#,
        r#"{"tradingPermissionIds":1}"#,
    ];
    let mut wrong: Vec<_> = bodies.iter().map(|b| (400, post(REVOKE, b))).collect();
    wrong.extend([
        (404, get("/v1/")),
        (404, post("/user/revoketradingpermissions", good)),
        (404, post("/v1/user/revokeTradingPermissions", good)),
        (404, post(&format!("{REVOKE}/"), good)),
        (405, get(REVOKE)),
        (405, request(&Method::PUT, REVOKE, good)),
        (405, post("/v1/tradingPermission/item?id=1", "")),
        (405, get("/v1/auth/accesstokenrequest")),
        (400, post(&format!("{REVOKE}?x=1"), good)),
        (400, get("/v1/tradingPermission/items")),
        (400, get("/v1/tradingPermission/items?ids=")),
        (400, get("/v1/tradingPermission/items?ids=1,,2")),
        (400, get("/v1/tradingPermission/items?ids=1,2,")),
        (400, get("/v1/tradingPermission/items?ids=1;2")),
        (400, get("/v1/tradingPermission/items?ids=1,1")),
        (400, get("/v1/tradingPermission/items?ids=+1")),
        (400, get("/v1/tradingPermission/items?ids=0")),
        (
            400,
            get("/v1/tradingPermission/items?ids=9223372036854775808"),
        ),
        (400, get("/v1/tradingPermission/items?ids=1&ids=2")),
        (400, get("/v1/tradingPermission/items?id=1")),
        (400, get("/v1/tradingPermission/item?ids=1")),
        (400, get("/v1/tradingPermission/item?id=1,2")),
        (400, get("/v1/tradingPermission/list?x")),
        (400, get("/v1/auth/renewaccesstoken?x=1")),
        (
            400,
            request(&Method::GET, "/v1/tradingPermission/item?id=1", "x"),
        ),
    ]);
    let media = |media: Option<&str>| {
        let mut request = post(REVOKE, good);
        request.headers_mut().remove("content-type");
        if let Some(media) = media {
            let media = media.parse().unwrap();
            request.headers_mut().insert("content-type", media);
        }
        request
    };
    wrong.extend([
        (415, media(None)),
        (415, media(Some("text/json"))),
        (415, media(Some("application/x-www-form-urlencoded"))),
    ]);
    let authorization = |values: &[&str]| {
        let mut request = post(REVOKE, good);
        request.headers_mut().remove("authorization");
        for value in values {
            let value = value.parse().unwrap();
            request.headers_mut().append("authorization", value);
        }
        request
    };
    wrong.extend([
        (401, authorization(&[])),
        (401, authorization(&["sandbox"])),
        (401, authorization(&["Basic sandbox"])),
        (401, authorization(&["Bearer "])),
        (401, authorization(&["Bearer wrong"])),
        (401, authorization(&["Bearer sandbox sandbox"])),
        (401, authorization(&["Bearer sandbox", "Bearer sandbox"])),
    ]);

    let world = world(Rules::default());
    for (count, (status, request)) in wrong.into_iter().enumerate() {
        let shown = format!("{request:?}");
        let got = send(&world, request).await;
        assert_eq!(got.status(), status, "{shown}: {got:?}");
        let truth = world.truth();
        assert_eq!(truth.mistakes.len(), count + 1, "{shown}");
        assert_eq!(truth.mistakes[count].status, status, "{shown}");
        assert!(truth.revoked.is_empty(), "{shown}");
    }
}

#[tokio::test]
async fn what_the_documentation_allows_is_no_mistake() {
    let world = world(Rules::default());
    let mut charset = post(
        REVOKE,
        r#"{"tradingPermissionIds":[1,9223372036854775807]}"#,
    );
    let media = "application/json; charset=utf-8".parse().unwrap();
    charset.headers_mut().insert("content-type", media);
    for request in [
        charset,
        get("/v1/tradingPermission/items?ids=1%2C2%2c3"),
        get("/v1/tradingPermission/items?ids=3,1,2"),
        get("/v1/tradingPermission/item?id=1"),
        get("/v1/tradingPermission/list"),
        get("/v1/auth/renewaccesstoken"),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(send(&world, request).await.status(), 200, "{shown}");
    }
    let door = door(&world);
    call(&door, revoke(1..=5)).await;
    call(&door, Call::Items(ids(1..=5))).await;
    call(&door, Call::Item(id(404))).await;
    let truth = world.truth();
    assert_eq!(truth.mistakes, []);
    assert_eq!(truth.calls.len(), 9);
    assert_eq!(truth.count(Kind::Items), 3);
}

#[tokio::test]
async fn a_wrong_token_is_refused_at_the_inner_door_too() {
    let world = world(Rules::default());
    let stranger = door(&world).with_token("stranger");
    assert_eq!(call(&stranger, revoke([1])).await.status(), 401);
    assert_eq!(world.truth().mistakes.len(), 1);
    assert!(world.truth().revoked.is_empty());
}
