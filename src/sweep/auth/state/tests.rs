use super::*;

const MIN: Duration = Duration::from_mins(1);

fn bounds() -> Bounds {
    let an_hour = |count| Quota {
        count,
        window: Duration::from_hours(1),
    };
    Bounds {
        renew_before: 10 * MIN,
        log_ins: an_hour(4),
        renewals: an_hour(12),
    }
}

fn token(text: &str) -> Token {
    Token::new(text, "test").unwrap()
}

fn logging_in() -> TokenProvider {
    TokenProvider::log_in(
        Arc::new(Credentials {
            name: "clerk".into(),
            password: "s3cret".into(),
            app_id: "x".into(),
            app_version: "1".into(),
            cid: "8".into(),
            sec: "s3cret".into(),
            device_id: None,
        }),
        None,
    )
}

fn clock() -> Clock {
    Clock::starting("2026-11-23T02:00:00Z".parse().unwrap())
}

fn keeper(custody: TokenProvider) -> Keeper {
    Keeper::new(custody, bounds(), clock(), &Past::default())
}

/// Bears a token that lives for so long, and makes a call with it.
fn bears(keeper: &Keeper, provenance: TokenOrigin, minutes: u32) {
    let sent = Instant::now();
    let life = Life {
        sent,
        expires: keeper.clock.at(sent + minutes * MIN),
        date: None,
    };
    keeper.bear(&token("t"), provenance, Some(life), |_| {});
    used(keeper);
}

fn used(keeper: &Keeper) -> u64 {
    keeper.sending(&Call::Item(1.try_into().unwrap()), || ()).1
}

async fn after(minutes: u32) {
    tokio::time::advance(minutes * MIN).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_for_the_token_that_was_refused_and_no_other() {
    let keeper = keeper(TokenProvider::given(token("a")));
    let old = used(&keeper);
    assert_eq!(keeper.step(), AuthStep::Use);
    keeper.refuse(old, "no");
    assert!(keeper.is_due());
    assert_eq!(keeper.step(), AuthStep::Renew { needed: true });
    bears(&keeper, TokenOrigin::Renewal, 80);
    // It had been under way.
    keeper.refuse(old, "no");
    assert!(!keeper.is_due());
    assert_eq!((keeper.step(), keeper.refusal()), (AuthStep::Use, None));
    keeper.refuse(used(&keeper), "not this one either");
    keeper.refuse(used(&keeper), "the first words count");
    assert_eq!(keeper.refusal().as_deref(), Some("not this one either"));
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_done_depends_on_how_the_token_came() {
    let refused = |custody| {
        let keeper = keeper(custody);
        keeper.refuse(used(&keeper), "");
        let first = keeper.step();
        keeper.unrenewable();
        (first, keeper.step())
    };
    let source =
        TokenSource::from_env(|name| (name == "RESCIND_TOKEN_FILE").then(|| "/etc/token".into()));
    let file = TokenProvider::fetched(source.unwrap().unwrap(), token("a"));
    assert_eq!(
        refused(TokenProvider::default()),
        (AuthStep::Refused, AuthStep::Refused)
    );
    assert_eq!(refused(file), (AuthStep::Fetch, AuthStep::Fetch));
    let renewed = AuthStep::Renew { needed: true };
    let given = TokenProvider::given(token("a"));
    assert_eq!(refused(given), (renewed.clone(), AuthStep::Refused));
    let kept = TokenProvider {
        token: Some(token("a")),
        ..logging_in()
    };
    assert_eq!(refused(kept), (renewed, AuthStep::LogIn));
    assert_eq!(keeper(logging_in()).step(), AuthStep::LogIn);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_its_end_or_got_by_a_log_in() {
    let keeper = keeper(logging_in());
    bears(&keeper, TokenOrigin::LogIn, 80);
    after(69).await;
    assert!(!keeper.is_due());
    after(1).await;
    assert!(keeper.is_due());
    assert_eq!(keeper.step(), AuthStep::Renew { needed: false });
    // It failed, and is tried again in a minute, but not after the end.
    keeper.postpone(MIN);
    assert!(!keeper.is_due());
    after(1).await;
    assert_eq!(keeper.step(), AuthStep::Renew { needed: false });
    keeper.postpone(20 * MIN);
    after(8).await;
    assert!(!keeper.is_due());
    after(1).await;
    assert_eq!(keeper.step(), AuthStep::LogIn);
}

#[tokio::test(start_paused = true)]
async fn a_refused_early_renewal_lets_the_token_be_used_until_its_end() {
    for (custody, at_the_end) in [
        (logging_in(), AuthStep::LogIn),
        (TokenProvider::given(token("a")), AuthStep::Use),
    ] {
        let keeper = keeper(custody);
        bears(&keeper, TokenOrigin::Renewal, 80);
        after(70).await;
        keeper.unrenewable();
        assert_eq!(keeper.step(), AuthStep::Use);
        assert!(!keeper.is_due());
        after(10).await;
        assert_eq!(keeper.step(), at_the_end);
        // No other renewal is tried when it is refused then.
        keeper.refuse(used(&keeper), "");
        assert!(matches!(keeper.step(), AuthStep::LogIn | AuthStep::Refused));
    }
}

#[tokio::test(start_paused = true)]
async fn limits_roll() {
    let keeper = keeper(TokenProvider::given(token("a")));
    keeper.refuse(used(&keeper), "");
    for _ in 0..12 {
        assert_eq!(keeper.step(), AuthStep::Renew { needed: true });
        keeper.renewed();
        after(1).await;
    }
    let AuthStep::Full { until, .. } = keeper.step() else {
        panic!("there is no room");
    };
    assert_eq!(until - Instant::now(), 48 * MIN);
    after(48).await;
    assert_eq!(keeper.step(), AuthStep::Renew { needed: true });

    let keeper = self::keeper(logging_in());
    for _ in 0..4 {
        assert_eq!(keeper.step(), AuthStep::LogIn);
        keeper.log_in_refused();
    }
    assert!(matches!(keeper.step(), AuthStep::Full { .. }));
    after(60).await;
    assert_eq!(keeper.step(), AuthStep::LogIn);
}

#[tokio::test(start_paused = true)]
async fn a_life_is_counted_by_the_servers_clock_from_the_sending() {
    let keeper = keeper(logging_in());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let sent = Instant::now();
    after(2).await;
    for (date, minutes) in [
        (Some("2030-01-01T00:00:00Z"), 20),
        (None, 1_135 * 1_440 - 100),
    ] {
        let life = Life {
            sent,
            expires: at("2030-01-01T00:20:00Z"),
            date: date.map(at),
        };
        assert_eq!(life.length(&keeper.clock), minutes * MIN, "{date:?}");
    }
    // One that is dead on arrival has an end that nobody knows.
    let entry = keeper.bear(
        &token("t"),
        TokenOrigin::LogIn,
        Some(Life {
            sent,
            expires: at("2030-01-01T00:00:00Z"),
            date: Some(at("2030-01-01T00:00:05Z")),
        }),
        |_| {},
    );
    assert!(matches!(entry, Entry::Bearing { expires: None, .. }));
    used(&keeper);
    assert_eq!(keeper.step(), AuthStep::Use);
}

#[tokio::test(start_paused = true)]
async fn debug_hides_every_secret() {
    let custody = TokenProvider {
        token: Some(token("s3cret-token")),
        ..logging_in()
    };
    let shown = format!("{custody:?}");
    let keeper = keeper(custody);
    keeper.refuse(used(&keeper), "");
    let shown = format!("{shown} {keeper:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
