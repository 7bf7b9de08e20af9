use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const RULES: DynamicLimits = DynamicLimits { period_days: 60, first: Duration::from_secs(86_400) };
const ASN: u32 = 65_010;

fn key(last: u8) -> SessionKey {
    SessionKey {
        route_server: "rs1".into(),
        address: std::net::Ipv4Addr::new(192, 0, 2, last).into(),
        interface: None,
    }
}

/// The `n`th day of the test.
fn day(n: i64) -> Date {
    Date::constant(2026, 1, 1).checked_add(jiff::Span::new().days(n)).unwrap()
}

fn watch_a_day(learned: &mut Learned, n: i64, v4: u32) {
    learned.tick(day(n));
    (0..24).for_each(|_| learned.observe(&key(1), ASN, [Some(v4), None], HOUR));
}

fn limit(learned: &Learned) -> Option<u32> {
    learned.limits(&key(1), ASN)[0]
}

#[test]
fn the_formula_at_and_around_each_of_its_corners() {
    for (announced, limit) in [
        (0, 100),
        (49, 100),
        (50, 500),
        (249, 500),
        (250, 1000),
        (499, 1000),
        (500, 2000),
        (999, 2000),
        // 1000 · 2 = 2000, and the next multiple is strictly above.
        (1000, 3000),
        (1500, 3000),
        (1999, 3000),
        // 2000 · 1.5 = 3000
        (2000, 4000),
        // 6000 · 1.35 = 8100
        (6000, 9000),
        (9999, 12_000),
        (10_000, 13_000),
        (15_000, 19_000),
        (1_000_000, 1_201_000),
        (u32::MAX, u32::MAX),
    ] {
        assert_eq!(limit_for(announced), limit, "{announced} announced");
    }
    for announced in 1..200_000 {
        assert!(limit_for(announced) > announced, "{announced}: no room at all");
    }
}

#[test]
fn nothing_is_enforced_before_the_session_was_watched_long_enough() {
    let mut learned = Learned::new(RULES, LearnedFile::default(), day(0));
    (0..23).for_each(|_| learned.observe(&key(1), ASN, [Some(700), None], HOUR));
    learned.tick(day(1));
    assert_eq!(limit(&learned), None, "23 hours");
    learned.observe(&key(1), ASN, [Some(10), None], HOUR);
    learned.tick(day(1));
    assert_eq!(limit(&learned), Some(2000), "from the highest, 700");
    assert_eq!(learned.limits(&key(1), ASN)[1], None, "a family that it does not carry");
    let status = learned.status(&key(1), ASN, Family::V4);
    assert_eq!((status.highest, status.days, status.learning), (700, 2, false));
}

#[test]
fn a_leak_does_not_raise_its_own_limit_on_the_same_day() {
    let mut learned = Learned::new(RULES, LearnedFile::default(), day(0));
    watch_a_day(&mut learned, 0, 40);
    learned.tick(day(1));
    assert_eq!(limit(&learned), Some(100));
    for leaked in [60, 80, 99] {
        learned.observe(&key(1), ASN, [Some(leaked), None], HOUR);
        learned.tick(day(1));
        assert_eq!(limit(&learned), Some(100), "still the limit of the morning");
    }
    learned.tick(day(2));
    assert_eq!(limit(&learned), Some(500));
}

#[test]
fn what_is_older_than_the_period_no_longer_counts() {
    let mut learned = Learned::new(RULES, LearnedFile::default(), day(0));
    watch_a_day(&mut learned, 0, 5000);
    for n in 1..60 {
        watch_a_day(&mut learned, n, 300);
        assert_eq!(limit(&learned), Some(7000), "day {n}: 5000 · 1.3875 = 6937.5");
    }
    learned.tick(day(60));
    assert_eq!(limit(&learned), Some(1000), "the highest of the 60 days is 300 now");
    learned.tick(day(200));
    assert_eq!(limit(&learned), None, "away for so long, it is watched anew");
    assert!(learned.file().sessions.is_empty());
}

#[test]
fn another_member_at_the_same_address_inherits_nothing() {
    let mut learned = Learned::new(RULES, LearnedFile::default(), day(0));
    watch_a_day(&mut learned, 0, 5000);
    learned.tick(day(1));
    assert!(limit(&learned).is_some());
    assert_eq!(learned.limits(&key(1), ASN + 1), [None; 2]);
    learned.observe(&key(1), ASN + 1, [Some(3), None], HOUR);
    assert_eq!(learned.status(&key(1), ASN + 1, Family::V4).highest, 3);
    assert_eq!(limit(&learned), None, "the one before is forgotten");
}

#[test]
fn a_file_brings_everything_back() {
    let mut learned = Learned::new(RULES, LearnedFile::default(), day(0));
    watch_a_day(&mut learned, 0, 1200);
    let text = serde_json::to_string(&learned.file()).unwrap();
    let file: LearnedFile = serde_json::from_str(&text).unwrap();
    let again = Learned::new(RULES, file, day(0));
    assert_eq!(again.sessions[&key(1)].ipv4.days, learned.sessions[&key(1)].ipv4.days);
    assert_eq!(limit(&again), Some(3000), "1200 · 1.9 = 2280");
    let file = serde_json::from_str(&text).unwrap();
    assert_eq!(limit(&Learned::new(RULES, file, day(90))), None, "it lay too long");
}

#[test]
fn a_clock_that_was_ahead_leaves_nothing_behind() {
    let mut learned = Learned::new(RULES, LearnedFile::default(), day(0));
    watch_a_day(&mut learned, 0, 40);
    learned.tick(day(5000));
    learned.observe(&key(1), ASN, [Some(90_000), None], HOUR);
    learned.tick(day(1));
    learned.observe(&key(1), ASN, [Some(40), None], HOUR);
    assert!(learned.status(&key(1), ASN, Family::V4).highest < 100);
}

/// A clock that is believed to be ten years off, one way or the other, dates the same past.
#[test]
fn what_was_learned_moves_with_a_clock_that_is_believed() {
    for years in [3653, -3653] {
        let rules = DynamicLimits { first: Duration::ZERO, ..RULES };
        let mut learned = Learned::new(rules, LearnedFile::default(), day(0));
        watch_a_day(&mut learned, 0, 5000);
        watch_a_day(&mut learned, 1, 300);
        assert_eq!(limit(&learned), Some(7000));
        learned.shift(day(2), day(2 + years));
        learned.tick(day(2 + years));
        assert_eq!(limit(&learned), Some(7000), "{years} days");
        learned.tick(day(60 + years));
        assert_eq!(limit(&learned), Some(1000), "60 days after the first one, as without a jump");
    }
}

#[test]
fn without_a_first_watch_the_lowest_limit_holds_at_once() {
    let rules = DynamicLimits { first: Duration::ZERO, ..RULES };
    let mut learned = Learned::new(rules, LearnedFile::default(), day(0));
    assert_eq!(limit(&learned), Some(100));
    learned.set_rules(RULES);
    assert_eq!(limit(&learned), None);
}
