mod server;

use std::{net::TcpListener as StdListener, process::Command};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::api::{
    AuthOutcome, LogIn, Reading, Status, judge_auth, judge_read, judge_revoke,
    login::tests::credentials, revoke_body,
};
use server::{Reply, Server, gzip, head, http};

const SECRET: &str = "s3cret-t0ken";
const OK: &str = r#"{"ok":true}"#;
/// Never reached in a test that passes.
const LONG: Duration = Duration::from_mins(2);
const SHORT: Duration = Duration::from_secs(1);

fn settings(base_url: &str, timeout: Duration) -> HttpSettings {
    HttpSettings {
        base_url: BaseUrl::parse(base_url).unwrap(),
        timeout,
        connect_timeout: timeout,
        ca_cert: None,
        user_agent: "rescind/test".to_owned(),
    }
}

fn token(text: &str) -> Token {
    Token::new(text, "test").unwrap()
}

/// A client with the token.
fn bearing(settings: &HttpSettings) -> HttpApi {
    let api = HttpApi::new(settings).unwrap();
    api.bear(&token(SECRET));
    api
}

fn api(base_url: &str, timeout: Duration) -> HttpApi {
    bearing(&settings(base_url, timeout))
}

fn api_of(server: &Server, timeout: Duration) -> HttpApi {
    api(&format!("http://{}/v1", server.address), timeout)
}

fn ids(numbers: &[i64]) -> Vec<PermissionId> {
    let ids = numbers.iter().map(|&number| number.try_into().unwrap());
    ids.collect()
}

fn revoke() -> Call {
    Call::Revoke(revoke_body(&ids(&[1, 2]), None))
}

/// A port of this machine where nobody listens.
fn deaf_port() -> u16 {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn response(answer: Answer) -> (u16, String) {
    match answer {
        Answer::Response(response) => (
            response.status,
            String::from_utf8(response.body.to_vec()).unwrap(),
        ),
        other => panic!("{other:?}"),
    }
}

/// The words that are kept of an answer.
fn said(call: &Call, answer: &Answer) -> String {
    match call {
        Call::Revoke(_) => judge_revoke(answer).message().to_owned(),
        Call::LogIn(_) | Call::Renew => judge_auth(call, answer).message().to_owned(),
        Call::Items(_) | Call::Item(_) => match judge_read(call, answer) {
            Reading::Failed { message, .. } => message,
            other => panic!("{other:?}"),
        },
    }
}

/// Makes a call that has to end by itself.
async fn in_time(api: &HttpApi, call: &Call) -> Answer {
    let answer = tokio::time::timeout(LONG, api.call(call)).await;
    answer.expect("the time-out is not kept")
}

/// The kind of a failure that may have been sent.
fn unanswered(answer: Answer) -> FailureKind {
    match answer {
        Answer::NoAnswer(failure) => checked(&failure),
        other => panic!("{other:?}"),
    }
}

/// The kind of a failure that was not sent.
fn unsent(answer: Answer) -> FailureKind {
    match answer {
        Answer::NotSent(failure) => checked(&failure),
        other => panic!("{other:?}"),
    }
}

/// No detail gives away a URL or the token.
fn checked(failure: &Failure) -> FailureKind {
    let detail = &failure.detail;
    assert!(!detail.is_empty() && !detail.contains("://"), "{failure:?}");
    assert!(!detail.contains(SECRET), "{failure:?}");
    failure.kind
}

#[tokio::test]
async fn a_revocation_is_sent_exactly_as_made() {
    let server = Server::one(Reply::Keep(http("200 OK", "", OK))).await;
    let body = revoke_body(&ids(&[1, i64::MAX]), Some("tick\"et"));
    let answer = api_of(&server, LONG)
        .call(&Call::Revoke(body.clone()))
        .await;
    assert_eq!(response(answer), (200, OK.to_owned()));

    let seen = server.seen();
    let (head, sent) = seen[0].split_once("\r\n\r\n").unwrap();
    assert_eq!(sent.as_bytes(), body);
    let mut lines = head.split("\r\n");
    assert_eq!(
        lines.next(),
        Some("POST /v1/user/revoketradingpermissions HTTP/1.1")
    );
    let mut headers: Vec<_> = lines.collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "accept-encoding: gzip",
            "accept: application/json",
            &format!("authorization: Bearer {SECRET}"),
            &format!("content-length: {}", body.len()),
            "content-type: application/json",
            &format!("host: {}", server.address),
            "user-agent: rescind/test",
        ]
    );
}

#[tokio::test]
async fn reads_name_their_ids_in_the_query() {
    let keep = || Reply::Keep(http("200 OK", "", "[]"));
    let server = Server::start([keep(), keep(), keep()]).await;
    let api = api_of(&server, LONG);
    for call in [
        Call::Items(ids(&[3, 1, i64::MAX])),
        Call::Items(ids(&[7])),
        Call::Item(ids(&[9])[0]),
    ] {
        assert_eq!(response(api.call(&call).await).0, 200);
    }
    let seen = server.seen();
    for (request, line) in seen.iter().zip([
        "GET /v1/tradingPermission/items?ids=3,1,9223372036854775807 HTTP/1.1\r\n",
        "GET /v1/tradingPermission/items?ids=7 HTTP/1.1\r\n",
        "GET /v1/tradingPermission/item?id=9 HTTP/1.1\r\n",
    ]) {
        assert!(request.starts_with(line), "{request}");
        assert!(request.contains(&format!("authorization: Bearer {SECRET}\r\n")));
        assert!(request.ends_with("\r\n\r\n"), "a read has no body");
    }
    // Bodies are read to their end: the connection is used again.
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn every_status_and_its_body_are_handed_on() {
    let statuses = [200, 201, 400, 401, 404, 409, 423, 429, 500, 503];
    let replies = statuses.map(|status| {
        let body = format!("body of {status}");
        Reply::Keep(http(&format!("{status} X"), "", body))
    });
    let server = Server::start(replies).await;
    let api = api_of(&server, LONG);
    for status in statuses {
        let answer = api.call(&revoke()).await;
        assert_eq!(response(answer), (status, format!("body of {status}")));
    }
}

#[tokio::test]
async fn no_redirect_is_followed_and_the_token_stays_here() {
    let elsewhere = Server::start([]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://{}/x\r\n", elsewhere.address);
        let reply = http(&format!("{status} Moved"), &location, "moved");
        let server = Server::start([Reply::Keep(reply.clone()), Reply::Keep(reply)]).await;
        let api = api_of(&server, LONG);
        for call in [revoke(), Call::Items(ids(&[1]))] {
            let answer = api.call(&call).await;
            assert_eq!(response(answer), (status, "moved".to_owned()));
        }
        assert_eq!(server.seen().len(), 2);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn silence_before_the_headers_ends_with_the_time_out() {
    let server = Server::one(Reply::Hang(Vec::new())).await;
    let answer = in_time(&api_of(&server, SHORT), &revoke()).await;
    assert_eq!(unanswered(answer), FailureKind::Timeout);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn silence_within_the_body_ends_with_the_time_out() {
    let reply = [head("200 OK", 100), b"{\"ok\":".to_vec()].concat();
    let server = Server::one(Reply::Hang(reply)).await;
    let answer = in_time(&api_of(&server, SHORT), &revoke()).await;
    assert_eq!(unanswered(answer), FailureKind::Timeout);
}

#[tokio::test]
async fn the_time_out_is_for_the_whole_call() {
    // Something comes all the time, each piece well within the time-out.
    let server = Server::one(Reply::Drip(head("200 OK", 1_000_000))).await;
    let answer = in_time(&api_of(&server, SHORT), &revoke()).await;
    assert_eq!(unanswered(answer), FailureKind::Timeout);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_no_answer() {
    let short = [head("200 OK", 100), OK.into()].concat();
    let chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{\"ok\":true}\r\n";
    for reply in [short, chunk.to_vec()] {
        let server = Server::one(Reply::Close(reply)).await;
        let answer = api_of(&server, LONG).call(&revoke()).await;
        assert_eq!(unanswered(answer), FailureKind::Reset);
    }
}

#[tokio::test]
async fn a_lockout_is_seen_even_if_its_body_breaks_off() {
    let partial = [head("429 X", 100), b"wait".to_vec()].concat();
    for reply in [
        Reply::Close(partial.clone()),
        Reply::Hang(partial.clone()),
        Reply::Drip(partial),
    ] {
        let server = Server::one(reply).await;
        let (status, body) = response(in_time(&api_of(&server, SHORT), &revoke()).await);
        assert_eq!((status, body.trim()), (429, "wait"));
    }
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request_is_no_answer() {
    for reply in [
        Reply::Reset,
        Reply::Close(Vec::new()),
        Reply::Close(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
    ] {
        let server = Server::one(reply).await;
        let answer = api_of(&server, LONG).call(&revoke()).await;
        assert_eq!(unanswered(answer), FailureKind::Reset);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_request_lost_on_a_used_connection_is_not_sent_again() {
    for lost in [Reply::Reset, Reply::Close(Vec::new())] {
        let server = Server::start([Reply::Keep(http("200 OK", "", OK)), lost]).await;
        let api = api_of(&server, LONG);
        assert_eq!(response(api.call(&revoke()).await).0, 200);
        let answer = api.call(&revoke()).await;
        assert_eq!(unanswered(answer), FailureKind::Reset);
        assert_eq!((server.connections(), server.seen().len()), (1, 2));
    }
}

#[tokio::test]
async fn what_is_not_http_is_unreadable() {
    for noise in ["220 mail ready\r\n\r\n", "\0\0\0\0\0\0\0\0\r\n\r\n"] {
        let server = Server::one(Reply::Close(noise.into())).await;
        let answer = api_of(&server, LONG).call(&revoke()).await;
        assert_eq!(unanswered(answer), FailureKind::Unreadable);
    }
}

#[tokio::test]
async fn a_body_past_the_limit_is_not_read() {
    let fits = vec![b' '; LARGEST_BODY];
    let server = Server::one(Reply::Keep(http("200 OK", "", &fits))).await;
    let (status, body) = response(api_of(&server, LONG).call(&revoke()).await);
    assert_eq!((status, body.len()), (200, LARGEST_BODY));

    let endless = [head("200 OK", LARGEST_BODY + 1), fits, b" ".to_vec()].concat();
    let server = Server::one(Reply::Hang(endless)).await;
    let answer = api_of(&server, LONG).call(&revoke()).await;
    assert_eq!(unanswered(answer), FailureKind::TooLarge);
}

#[tokio::test]
async fn gzip_is_decoded_and_its_decoded_size_is_limited() {
    let gzipped = |body: &[u8]| http("200 OK", "content-encoding: gzip\r\n", gzip(body));
    let server = Server::one(Reply::Keep(gzipped(OK.as_bytes()))).await;
    let answer = api_of(&server, LONG).call(&revoke()).await;
    assert_eq!(response(answer), (200, OK.to_owned()));

    let bomb = gzipped(&vec![b' '; LARGEST_BODY + 1]);
    assert!(bomb.len() < LARGEST_BODY / 100);
    let server = Server::one(Reply::Keep(bomb)).await;
    let answer = api_of(&server, LONG).call(&revoke()).await;
    assert_eq!(unanswered(answer), FailureKind::TooLarge);
}

#[tokio::test]
async fn damaged_gzip_is_unreadable() {
    let whole = gzip(OK.as_bytes());
    let mut bent = whole.clone();
    // The checksum.
    bent[whole.len() - 6] ^= 1;
    for body in [&bent[..], &whole[..whole.len() - 10], b"plain text"] {
        let reply = http("200 OK", "content-encoding: gzip\r\n", body);
        let server = Server::one(Reply::Keep(reply)).await;
        let answer = api_of(&server, LONG).call(&revoke()).await;
        assert_eq!(unanswered(answer), FailureKind::Unreadable);
    }
}

#[tokio::test]
async fn a_refused_connection_is_not_sent() {
    let api = api(&format!("http://127.0.0.1:{}", deaf_port()), LONG);
    assert_eq!(unsent(api.call(&revoke()).await), FailureKind::Connect);
}

#[tokio::test]
async fn a_failed_handshake_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for reply in [&b"HTTP/1.1 400 Bad\r\n\r\n"[..], b""] {
            let (mut stream, _) = listener.accept().await.unwrap();
            // So much of the greeting that closing is no reset.
            let _ = stream.read(&mut [0; 16384]).await.unwrap();
            stream.write_all(reply).await.unwrap();
        }
        // The third is accepted and left alone.
        let _stream = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let address = format!("https://127.0.0.1:{port}");
    let trusting = api_with_ca(&address, LONG);
    for _ in 0..2 {
        assert_eq!(unsent(trusting.call(&revoke()).await), FailureKind::Tls);
    }
    let mut hurried = settings(&address, LONG);
    hurried.connect_timeout = SHORT;
    let (_folder, ca_cert) = ca_file(CERTIFICATE);
    hurried.ca_cert = Some(ca_cert);
    let hurried = bearing(&hurried);
    assert_eq!(
        unsent(in_time(&hurried, &revoke()).await),
        FailureKind::Connect
    );
}

#[tokio::test]
async fn localhost_is_this_machine() {
    let server = Server::one(Reply::Keep(http("200 OK", "", OK))).await;
    let api = api(&format!("http://localhost:{}", server.address.port()), LONG);
    assert_eq!(response(api.call(&revoke()).await).0, 200);
}

#[tokio::test]
async fn a_repeated_token_is_struck_out() {
    let body = format!("{SECRET}: Bearer {SECRET} is bad; {SECRET}");
    let server = Server::one(Reply::Keep(http("401 X", "", body))).await;
    let answer = api_of(&server, LONG).call(&revoke()).await;
    assert_eq!(said(&revoke(), &answer), "***: Bearer *** is bad; ***");
}

#[tokio::test]
async fn a_new_token_goes_with_the_next_call_and_both_are_redacted() {
    const NEW: &str = "newer-s3cret";
    let body = format!("{NEW} is not {SECRET}");
    let server = Server::start(vec![Reply::Keep(http("500 X", "", &body)); 3]).await;
    let api = api_of(&server, LONG);
    let revoke = revoke();
    let early = api.call(&revoke);
    api.bear(&token(NEW));
    // Made before, it carries what was borne then.
    assert_eq!(said(&revoke, &early.await), "*** is not ***");
    for call in [Call::Renew, Call::Items(ids(&[7]))] {
        assert_eq!(said(&call, &api.call(&call).await), "*** is not ***");
    }
    let seen = server.seen();
    for (request, (line, token)) in seen.iter().zip([
        ("POST /v1/user/revoketradingpermissions ", SECRET),
        ("GET /v1/auth/renewaccesstoken ", NEW),
        ("GET /v1/tradingPermission/items?ids=7 ", NEW),
    ]) {
        assert!(request.starts_with(line), "{request}");
        assert!(request.contains(&format!("authorization: Bearer {token}\r\n")));
    }
}

#[tokio::test]
async fn a_log_in_carries_no_token_and_is_sent_exactly_as_made() {
    let server = Server::one(Reply::Keep(http("200 OK", "", OK))).await;
    let log_in = LogIn::new(&credentials("pass-word", "api-secret"), None);
    let call = Call::LogIn(log_in.clone());
    let answer = api_of(&server, LONG).call(&call).await;
    assert_eq!(response(answer).0, 200);
    let seen = server.seen();
    let (head, sent) = seen[0].split_once("\r\n\r\n").unwrap();
    assert_eq!(sent.as_bytes(), log_in.body());
    assert!(head.starts_with("POST /v1/auth/accesstokenrequest HTTP/1.1\r\n"));
    assert!(head.contains("\r\ncontent-type: application/json\r\n"));
    assert!(!head.contains("authorization"), "{head}");
}

#[tokio::test]
async fn what_a_log_in_sent_is_struck_out_of_every_answer_after() {
    let body = "pass-word, api-secret, 12345678 and short";
    let replies = ["401 X", "403 X", "500 X", "200 OK"];
    let replies = replies.map(|status| Reply::Keep(http(status, "", body)));
    let server = Server::start(replies).await;
    let api = api_of(&server, LONG);
    for (credentials, expected) in [
        (
            credentials("pass-word", "api-secret"),
            "***, ***, 12345678 and short",
        ),
        // Digits may stand in an ID, and a few letters anywhere: only the
        // answer to the log-in itself goes without them.
        (credentials("12345678", "short"), "***, ***, *** and ***"),
    ] {
        let call = Call::LogIn(LogIn::new(&credentials, None));
        assert_eq!(said(&call, &api.call(&call).await), expected);
    }
    for call in [revoke(), Call::Renew] {
        let said = said(&call, &api.call(&call).await);
        assert!(said.ends_with("***, ***, 12345678 and short"), "{said}");
    }
}

#[tokio::test]
async fn a_token_in_an_answer_that_grants_nothing_is_struck_out() {
    let body = r#"{"accessToken":"a-fresh-one","errorText":"a-fresh-one"}"#;
    let replies = [http("403 X", "", body), http("500 X", "", "a-fresh-one")];
    let server = Server::start(replies.map(Reply::Keep)).await;
    let api = api_of(&server, LONG);
    assert_eq!(said(&Call::Renew, &api.call(&Call::Renew).await), "");
    assert_eq!(said(&revoke(), &api.call(&revoke()).await), "***");
}

/// A password that is a word of the API's changes no verdict.
#[tokio::test]
async fn an_answer_is_judged_as_it_came() {
    let replies = [
        http("200 OK", "", r#"{"accessToken":"accessToken-1"}"#),
        http("200 OK", "", r#"{"id":7,"status":"Declined"}"#),
        http("500 X", "", "Declined by accessToken-1"),
    ];
    let server = Server::start(replies.map(Reply::Keep)).await;
    let api = api_of(&server, LONG);
    let log_in = Call::LogIn(LogIn::new(&credentials("Declined", "accessToken"), None));
    let granted = judge_auth(&log_in, &api.call(&log_in).await);
    assert!(
        matches!(granted, AuthOutcome::Granted { .. }),
        "{granted:?}"
    );
    let call = Call::Item(ids(&[7])[0]);
    match judge_read(&call, &api.call(&call).await) {
        Reading::Found(shown) => assert_eq!(shown[0].shown, Status::Declined),
        other => panic!("{other:?}"),
    }
    assert_eq!(said(&revoke(), &api.call(&revoke()).await), "*** by ***");
}

#[tokio::test]
async fn the_clock_of_the_server_comes_with_its_answers() {
    let date = "date: Mon, 23 Nov 2026 02:00:00 GMT\r\n";
    let replies = [date, "", "date: soon\r\n"].map(|date| Reply::Keep(http("200 OK", date, OK)));
    let server = Server::start(replies).await;
    let api = api_of(&server, LONG);
    for expected in [Some("2026-11-23T02:00:00Z"), None, None] {
        let Answer::Response(response) = api.call(&revoke()).await else {
            panic!("no response");
        };
        let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
        assert_eq!(response.date, expected);
    }
}

#[tokio::test]
async fn debug_hides_the_token_and_bodies() {
    let server = Server::one(Reply::Keep(http("500 X", "", "somebody@example.com"))).await;
    let api = api_of(&server, LONG);
    let log_in = LogIn::new(&credentials("s3cret-password", "s3cret-sec"), None);
    let answer = api.call(&Call::LogIn(log_in)).await;
    let shown = format!("{api:?} {answer:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(!shown.contains("somebody"), "{shown}");
}

#[tokio::test]
async fn retry_after_comes_with_any_status() {
    let date = "date: Mon, 23 Nov 2026 02:00:00 GMT\r\n";
    let later = "retry-after: Mon, 23 Nov 2026 02:01:30 GMT\r\n";
    let server = Server::start([
        Reply::Keep(http("429 X", "retry-after: 7\r\n", "")),
        Reply::Keep(http("503 X", &format!("{date}{later}"), "")),
        Reply::Keep(http("503 X", "", "")),
    ])
    .await;
    let api = api_of(&server, LONG);
    for expected in [Some(7), Some(90), None] {
        let answer = api.call(&revoke()).await;
        assert_eq!(answer.retry_after(), expected.map(Duration::from_secs));
    }
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let now = httpdate::parse_http_date("Mon, 23 Nov 2026 02:00:00 GMT").unwrap();
    let read = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        retry_after(&headers, now).map(|wait| wait.as_secs())
    };
    let longest = LONGEST_WAIT.as_secs();
    for (text, expected) in [
        ("0", Some(0)),
        ("3600", Some(3600)),
        (" 120 ", Some(120)),
        ("99999999999", Some(longest)),
        ("99999999999999999999999999", Some(longest)),
        ("Mon, 23 Nov 2026 02:00:10 GMT", Some(10)),
        ("Monday, 23-Nov-26 02:00:10 GMT", Some(10)),
        ("Mon Nov 23 02:00:10 2026", Some(10)),
        ("Mon, 23 Nov 2026 01:00:00 GMT", Some(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(longest)),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("soon", None),
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}

#[test]
fn what_cannot_be_trusted_is_refused_by_name() {
    let make = |ca_cert: Option<PathBuf>, user_agent: &str| {
        let mut settings = settings("https://example.com", LONG);
        settings.ca_cert = ca_cert;
        user_agent.clone_into(&mut settings.user_agent);
        HttpApi::new(&settings).unwrap_err()
    };
    let error = make(Some("/no/such/file".into()), "x");
    assert!(matches!(error, HttpError::CaFile { .. }), "{error}");
    assert!(error.to_string().contains("/no/such/file"));
    for content in ["", "no certificate"] {
        let (_folder, path) = ca_file(content);
        let error = make(Some(path), "x");
        assert!(matches!(error, HttpError::NoCertificate { .. }), "{error}");
    }
    let (_folder, path) = ca_file(CERTIFICATE);
    let error = make(Some(path), "two\nlines");
    assert!(matches!(error, HttpError::Header(_)), "{error}");
}

/// Runs a part of a test in a process of its own, with other variables: they
/// cannot safely be changed beside other threads.
fn in_own_process(test: &str, variables: &[(&str, &str)], part: impl AsyncFnOnce()) {
    const MARK: &str = "RESCIND_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(part());
    }
    let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact"])
        .env(MARK, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("1 passed"), "{printed}");
}

#[test]
fn a_loopback_address_is_never_reached_through_a_proxy() {
    let proxy = format!("http://127.0.0.1:{}", deaf_port());
    let variables = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    in_own_process(
        "a_loopback_address_is_never_reached_through_a_proxy",
        &variables.map(|name| (name, proxy.as_str())),
        async || {
            let replies = [OK; 2].map(|body| Reply::Keep(http("200 OK", "", body)));
            let server = Server::start(replies).await;
            let port = server.address.port();
            for host in ["127.0.0.1", "localhost"] {
                let api = api(&format!("http://{host}:{port}"), LONG);
                assert_eq!(response(api.call(&revoke()).await).0, 200);
            }
        },
    );
}

#[test]
fn a_host_without_ca_certificates_can_use_http_or_a_ca_file() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().to_str().unwrap();
    in_own_process(
        "a_host_without_ca_certificates_can_use_http_or_a_ca_file",
        &[("SSL_CERT_DIR", nowhere), ("SSL_CERT_FILE", "/dev/null")],
        async || {
            assert!(HttpApi::new(&settings("http://127.0.0.1", LONG)).is_ok());
            let secure = settings("https://example.com", LONG);
            let error = HttpApi::new(&secure).unwrap_err();
            assert!(matches!(error, HttpError::Client(_)), "{error}");
            api_with_ca("https://example.com", LONG);
        },
    );
}

fn api_with_ca(base_url: &str, timeout: Duration) -> HttpApi {
    let (_folder, path) = ca_file(CERTIFICATE);
    let mut settings = settings(base_url, timeout);
    settings.ca_cert = Some(path);
    bearing(&settings)
}

fn ca_file(content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

/// A certificate that nobody holds the key of: it vouches for nothing, but can
/// be trusted in a test.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBojCCAUegAwIBAgIUWu5QwUVQldqGSgTC4F5PZ3teX0UwCgYIKoZIzj0EAwIw\n\
FzEVMBMGA1UEAwwMcmVzY2luZCB0ZXN0MCAXDTI2MTEyMzIwNTczNVoYDzIxMjYx\n\
MDMwMjA1NzM1WjAXMRUwEwYDVQQDDAxyZXNjaW5kIHRlc3QwWTATBgcqhkjOPQIB\n\
BggqhkjOPQMBBwNCAASuPaO8Tzhe07f40NMpEi6VEvupuPSXm622Hf+bKhjo+9jS\n\
GhdiWaIRlfuYtE7LYvKHB5CXmb9SFbburla7tiyMo28wbTAdBgNVHQ4EFgQUt6bc\n\
f0K/yxgyMc3o3ZuocBuMSYkwHwYDVR0jBBgwFoAUt6bcf0K/yxgyMc3o3ZuocBuM\n\
SYkwDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3Qw\n\
CgYIKoZIzj0EAwIDSQAwRgIhAMP38GLGfbIPbhR59v38SUKj3S/Zs0eTuHn/lDxt\n\
r8sbAiEA/LMZWpNSYxgMB7eOQiod+188mxU7Ht/9UuR3P3ZBo64=\n\
-----END CERTIFICATE-----\n\
";
