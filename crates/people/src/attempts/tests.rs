//! What a flood does, and what an operator notices of it.

use super::*;
use crate::device::DeviceKey;
use crate::name::OperatorName;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// 2026-11-21, in microseconds.
const BEGIN: i64 = 1_795_219_200 * SECOND;

/// Where people sign in, and what time it is.
struct Desk {
    attempts: Attempts,
    now: i64,
}

impl Desk {
    fn new() -> Desk {
        Desk::with(Limits::default())
    }

    fn with(limits: Limits) -> Desk {
        Desk { attempts: Attempts::new(limits), now: BEGIN }
    }

    fn begin(&mut self, name: &str, address: IpAddr) -> Result<Attempt, Wait> {
        self.attempts.begin(name, address, None, self.now)
    }

    /// The wait in seconds, if there is one.
    fn fail(&mut self, name: &str, address: IpAddr) -> Option<i64> {
        self.fail_from(name, address, None)
    }

    fn fail_from(&mut self, name: &str, address: IpAddr, from: Option<&DeviceOf>) -> Option<i64> {
        match self.attempts.begin(name, address, from, self.now) {
            Ok(attempt) => {
                self.attempts.failed(attempt, self.now);
                None
            }
            Err(wait) => Some(wait.seconds()),
        }
    }

    /// Fails until the next attempt has to wait.
    fn fail_until_it_waits(&mut self, name: &str, address: IpAddr) {
        let failed = (0..99).take_while(|_| self.fail(name, address).is_none()).count();
        assert_eq!(failed, 6);
    }

    fn succeed(&mut self, name: &str, address: IpAddr) {
        let attempt = self.begin(name, address).expect("it is let through");
        self.attempts.succeeded(attempt);
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
    }

    fn sizes(&self) -> [usize; 3] {
        let all = &self.attempts;
        [all.names.len(), all.addresses.len(), all.devices.len()]
    }
}

/// One of many addresses, each its own network.
fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(number).into()
}

/// What a browser of this operator brings along.
fn browser(name: &str) -> DeviceOf {
    let (key, name) = (DeviceKey::random(), name.parse::<OperatorName>().expect("a name"));
    let cookie = key.issue(&DeviceOf::random(name), BEGIN);
    key.verify(&cookie, 0).expect("its own")
}

/// 1 s after the sixth failure, twice as long after each that follows, and five minutes in the end.
const PAUSES: [i64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300];

#[test]
fn five_failures_are_free_and_then_each_makes_wait_twice_as_long() {
    // Of one name from everywhere, and of every name from one place.
    for by_name in [true, false] {
        let mut desk = Desk::new();
        let mut number = 0;
        let mut fail = |desk: &mut Desk| {
            number += 1;
            if by_name {
                desk.fail("anna", address(number))
            } else {
                desk.fail(&format!("name{number}"), address(7))
            }
        };
        for _ in 0..6 {
            assert_eq!(fail(&mut desk), None);
        }
        for pause in PAUSES {
            assert_eq!(fail(&mut desk), Some(pause));
            desk.pass(pause);
            desk.now -= 1;
            assert_eq!(fail(&mut desk), Some(1), "to the microsecond");
            desk.now += 1;
            assert_eq!(fail(&mut desk), None);
        }
    }
}

#[test]
fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
    for (micros, seconds) in [(1, 1), (SECOND, 1), (SECOND + 1, 2), (300 * SECOND, 300)] {
        let wait = Wait { micros };
        assert_eq!((wait.micros(), wait.seconds()), (micros, seconds));
    }
    let told = Wait { micros: 3 * SECOND }.to_string();
    assert_eq!(told, "too many attempts: try again in 3 s", "and not by what it was counted");
}

#[test]
fn an_hour_without_a_failure_and_all_is_forgotten() {
    for (seconds, fails) in [(3_599, 1), (3_600, 6)] {
        let mut desk = Desk::new();
        desk.fail_until_it_waits("anna", address(1));
        desk.pass(seconds);
        let again = (0..99).take_while(|_| desk.fail("anna", address(1)).is_none()).count();
        assert_eq!(again, fails, "{seconds}");
    }
}

#[test]
fn attempts_that_are_still_being_looked_at_count_already() {
    let mut desk = Desk::new();
    let open: Vec<Attempt> =
        (0..1_000).map_while(|_| desk.begin("anna", address(1)).ok()).collect();
    assert_eq!(open.len(), 6, "of a thousand at once");
    // The wait begins when it is known that they failed.
    desk.pass(60);
    for attempt in open {
        desk.attempts.failed(attempt, desk.now);
    }
    assert_eq!(desk.fail("anna", address(1)), Some(1));
}

#[test]
fn whoever_is_told_nothing_of_counts_as_a_failure() {
    let mut desk = Desk::new();
    for _ in 0..6 {
        drop(desk.begin("anna", address(1)).expect("it is let through"));
    }
    assert_eq!(desk.fail("anna", address(2)), Some(1));
}

#[test]
fn a_machine_is_one_address_whichever_of_its_own_it_comes_from() {
    let mut desk = Desk::new();
    let refused = (1..=255).find(|last| {
        desk.fail(&format!("name{last}"), Ipv4Addr::new(127, 0, 0, *last).into()).is_some()
    });
    assert_eq!(refused, Some(7), "after six failures");
    assert_eq!(desk.fail("another", Ipv6Addr::LOCALHOST.into()), None, "of its other kind");
}

#[test]
fn what_nobody_could_look_at_is_as_if_nobody_had_tried() {
    let mut desk = Desk::new();
    let device = DeviceOf::random("anna".parse().expect("a name"));
    for _ in 0..4 {
        assert_eq!(desk.fail("anna", address(1)), None);
    }
    for _ in 0..1_000 {
        let attempt = desk.begin("anna", address(1)).expect("it is let through");
        desk.attempts.withdrawn(attempt);
        let attempt = desk.attempts.begin("anna", address(1), Some(&device), desk.now);
        desk.attempts.withdrawn(attempt.expect("it is let through"));
    }
    // The four that failed still count.
    assert_eq!([desk.fail("anna", address(1)), desk.fail("anna", address(1))], [None, None]);
    assert_eq!(desk.fail("anna", address(1)), Some(1));
}

#[test]
fn those_who_push_make_nobody_wait_longer() {
    let mut desk = Desk::new();
    desk.fail_until_it_waits("anna", address(1));
    for number in 0..1_000 {
        assert_eq!(desk.fail("anna", address(number)), Some(1));
    }
    assert_eq!(desk.sizes(), [1, 1, 0], "nor does it take any memory");
    desk.pass(1);
    desk.succeed("anna", address(1));
}

#[test]
fn who_signs_in_clears_his_own_name_and_no_other() {
    let mut desk = Desk::new();
    for number in 0..6 {
        assert_eq!(desk.fail("anna", address(number)), None);
        assert_eq!(desk.fail("bert", address(100 + number)), None);
    }
    desk.pass(1);
    desk.succeed("anna", address(200));
    for number in 300..306 {
        assert_eq!(desk.fail("anna", address(number)), None, "five are free anew");
    }
    assert_eq!(desk.fail("bert", address(300)), None);
    assert_eq!(desk.fail("bert", address(301)), Some(2), "he has still failed six times before");
}

#[test]
fn one_who_has_an_account_does_not_buy_guesses_at_others_with_it() {
    let mut desk = Desk::new();
    let mut guesses = 0;
    for number in 0..1_000 {
        if desk.fail(&format!("victim{number}"), address(1)).is_none() {
            guesses += 1;
        }
        if let Ok(attempt) = desk.begin("mallory", address(1)) {
            desk.attempts.succeeded(attempt);
        }
    }
    assert_eq!(guesses, 6);
}

#[test]
fn where_many_sign_in_from_one_address_success_makes_nobody_wait() {
    let mut desk = Desk::new();
    for number in 0..12 {
        desk.pass(300);
        assert_eq!(desk.fail(&format!("name{number}"), address(1)), None);
    }
    desk.pass(64);
    for number in 0..1_000 {
        desk.succeed(&format!("other{number}"), address(1));
    }
    assert_eq!(desk.fail("name99", address(1)), None);
    assert_eq!(desk.fail("name99", address(1)), Some(128), "the thirteenth failure");
}

#[test]
fn of_an_ipv6_address_the_customers_half_counts_and_one_of_ipv4_is_one_in_any_form() {
    let v6 = |text: &str| text.parse::<IpAddr>().expect("an address");
    let waits = |first: &str, second: &str| {
        let mut desk = Desk::new();
        for number in 0..6 {
            assert_eq!(desk.fail(&format!("name{number}"), v6(first)), None);
        }
        desk.fail("another", v6(second)).is_some()
    };
    assert!(waits("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert!(!waits("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert!(!waits("2001:db8:1:2::1", "2001:db9:1:2::1"));
    assert!(waits("192.0.2.1", "::ffff:192.0.2.1"));
    assert!(!waits("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    assert!(!waits("192.0.2.1", "192.0.2.2"));
    // Behind a proxy on the same machine everybody comes from here.
    assert!(waits("127.0.0.1", "127.0.0.1"));
    assert!(waits("::1", "::1"));
}

#[test]
fn an_operator_gets_in_from_his_own_browser_while_his_name_and_his_address_are_flooded() {
    let (mut desk, annas) = (Desk::new(), browser("anna"));
    for number in 0..36_000 {
        desk.now += SECOND / 10;
        desk.fail("anna", address(number));
        desk.fail(&format!("name{number}"), address(1));
        assert!(number < 12 || desk.begin("anna", address(1)).is_err(), "as a stranger");
        let attempt = desk.attempts.begin("anna", address(1), Some(&annas), desk.now);
        desk.attempts.succeeded(attempt.expect("as herself"));
    }
}

#[test]
fn a_browser_has_failures_of_its_own_and_adds_none_to_a_name_or_an_address() {
    let (mut desk, annas, other) = (Desk::new(), browser("anna"), browser("anna"));
    let from = |desk: &mut Desk, device| desk.fail_from("anna", address(1), Some(device));
    for _ in 0..6 {
        assert_eq!(from(&mut desk, &annas), None);
    }
    for pause in PAUSES {
        assert_eq!(from(&mut desk, &annas), Some(pause), "a stolen browser guesses no faster");
        desk.pass(pause);
        assert_eq!(from(&mut desk, &annas), None);
    }
    assert_eq!(desk.sizes(), [0, 0, 1]);
    assert_eq!(from(&mut desk, &other), None, "another one of hers has none");
    assert_eq!(desk.fail("anna", address(1)), None);
    desk.pass(300);
    let attempt = desk.attempts.begin("anna", address(1), Some(&annas), desk.now);
    desk.attempts.succeeded(attempt.expect("it is let through"));
    assert_eq!(desk.sizes(), [1, 1, 1], "who signs in clears what is counted of the browser");
    for _ in 0..6 {
        assert_eq!(from(&mut desk, &annas), None);
    }
}

#[test]
fn a_browser_of_one_operator_is_of_no_use_for_anothers_name() {
    let (mut desk, mallorys) = (Desk::new(), browser("mallory"));
    for number in 0..6 {
        assert_eq!(desk.fail_from("anna", address(number), Some(&mallorys)), None);
    }
    assert_eq!(desk.fail_from("anna", address(7), Some(&mallorys)), Some(1));
    assert_eq!(desk.sizes(), [1, 6, 0]);
}

#[test]
fn a_hundred_thousand_addresses_guess_at_one_name_no_faster_than_one() {
    let mut desk = Desk::new();
    let guesses = (0..100_000).filter(|number| {
        desk.now += 36_000;
        desk.fail("anna", address(*number)).is_none()
    });
    // Six at once, nine while the waits grow to five minutes, and then one every five minutes of an hour.
    assert_eq!(guesses.count(), 6 + 9 + 10);
    assert_eq!(desk.sizes(), [1, 25, 0]);
}

#[test]
fn a_hundred_thousand_names_are_tried_from_one_address_no_faster_than_one() {
    let mut desk = Desk::new();
    let guesses = (0..100_000).filter(|number| {
        desk.now += 36_000;
        desk.fail(&format!("name{number}"), address(1)).is_none()
    });
    assert_eq!(guesses.count(), 6 + 9 + 10);
}

#[test]
fn a_flood_of_new_names_from_new_addresses_takes_bounded_memory_and_frees_nobody_who_waits() {
    let (mut desk, annas) = (Desk::new(), browser("anna"));
    for number in 0..15 {
        desk.pass(300);
        assert_eq!(desk.fail("anna", address(number)), None);
    }
    // More than two hundred a second, which is more than a machine hashes passwords, for all of her five minutes.
    let ends_at = desk.now + 300 * SECOND;
    for number in 0..69_999 {
        desk.now += 300 * SECOND / 70_000;
        assert_eq!(desk.fail(&format!("name{number}"), address(1_000 + number)), None);
    }
    desk.now = ends_at - 1;
    assert_eq!(desk.sizes(), [65_536, 65_536, 0]);
    assert_eq!(desk.fail("anna", address(1)), Some(1), "not even for a microsecond");
    assert_eq!(desk.fail_from("anna", address(1), Some(&annas)), None);
}

#[test]
fn where_everybody_waits_newcomers_do_too_and_operators_come_from_their_browsers() {
    let mut desk = Desk::with(Limits { entries: 100, ..Limits::default() });
    let annas = browser("anna");
    // Every place is taken by a name that waits for 8 s, and every one by an address that does.
    for round in 0..9 {
        for number in 0..100 {
            assert_eq!(desk.fail(&format!("name{number}"), address(number)), None, "{round}");
        }
        desk.pass(if round < 8 { 8 } else { 0 });
    }
    assert_eq!(desk.sizes(), [100, 100, 0]);
    assert_eq!(desk.fail("newcomer", address(1_000)), Some(1), "a little, again and again");
    assert_eq!(desk.fail_from("anna", address(1_000), Some(&annas)), None);
    assert_eq!(desk.fail("name7", address(7)), Some(8), "and nobody's wait is lost");
    desk.pass(8);
    for number in 1_000..1_200 {
        assert_eq!(desk.fail(&format!("newcomer{number}"), address(number)), None);
    }
    assert_eq!(desk.sizes(), [100, 100, 1]);
}

#[test]
fn a_clock_that_is_set_back_makes_nobody_wait_for_it() {
    let mut desk = Desk::new();
    desk.fail_until_it_waits("anna", address(1));
    desk.pass(-86_400);
    assert_eq!(desk.fail("anna", address(1)), Some(1), "the wait goes on");
    desk.pass(1);
    assert_eq!(desk.fail("anna", address(1)), None, "and ends");
    desk.pass(-86_400);
    assert_eq!(desk.fail("anna", address(1)), Some(2));
}

#[test]
fn limits_at_their_edges_are_no_way_in() {
    let limits = Limits::default();
    assert_eq!(
        [0, 5, 6, 7, 14, 15, u32::MAX].map(|it| limits.pause(it) / SECOND),
        [0, 0, 1, 2, 256, 300, 300]
    );
    // Who sets them to nothing has none, and that is all.
    let mut none =
        Desk::with(Limits { free: 0, first_pause: 0, longest_pause: -1, entries: 1, ..limits });
    for number in 0..9 {
        assert_eq!(none.fail(&format!("name{}", number / 3), address(number)), None);
    }
    assert_eq!(none.sizes(), [1, 1, 0]);
    let strict = Limits { free: 0, first_pause: i64::MAX, ..limits };
    assert_eq!([0, 1, 2].map(|it| strict.pause(it) / SECOND), [0, 300, 300]);
}

#[test]
fn names_of_any_length_take_the_same_memory() {
    let mut desk = Desk::new();
    let long = "a".repeat(1 << 20);
    for number in 0..6 {
        assert_eq!(desk.fail(&long, address(number)), None);
    }
    assert_eq!(desk.fail(&long, address(7)), Some(1));
    assert_eq!(desk.fail(&long[1..], address(7)), None, "another name");
    assert_eq!(size_of::<Name>(), 16);
    assert_eq!(desk.fail("", address(8)), None, "what is no name is counted as any");
}

proptest! {
    /// Whatever strangers do, and whatever of it succeeds for themselves: how often one name is tried between two
    /// sign-ins of its owner, the pauses decide; and whoever waits as long as he was told gets in, unless another
    /// has pushed in before him.
    #[test]
    fn a_wait_that_is_waited_out_is_over(
        acts in proptest::collection::vec((0..3_u32, 0..3_u32, 0..3_u8, 0..3_000_000_i64), 1..120),
    ) {
        let mut desk = Desk::with(Limits { free: 1, entries: 2, ..Limits::default() });
        for (name, from, outcome, later) in acts {
            desk.now += later;
            let (name, from) = (format!("name{name}"), address(from));
            let attempt = match desk.begin(&name, from) {
                Ok(attempt) => attempt,
                Err(wait) => {
                    prop_assert!((1..=300 * SECOND).contains(&wait.micros()));
                    desk.now += wait.micros();
                    let again = desk.begin(&name, from);
                    // A place for a newcomer may take another turn.
                    prop_assume!(again.is_ok() || wait.micros() <= SECOND);
                    let Ok(again) = again else { continue };
                    again
                }
            };
            match outcome {
                0 => desk.attempts.failed(attempt, desk.now),
                1 => desk.attempts.succeeded(attempt),
                _ => drop(attempt),
            }
            let [names, addresses, devices] = desk.sizes();
            prop_assert!(names <= 2 && addresses <= 2 && devices == 0);
        }
    }

    /// Against a record of the times at which a name was tried: the pauses hold, whoever is asked.
    #[test]
    fn between_two_attempts_there_is_the_pause_that_is_due(
        later in proptest::collection::vec(0..400_000_000_i64, 1..60),
    ) {
        let (limits, mut desk) = (Limits::default(), Desk::new());
        let (mut failures, mut last) = (0, i64::MIN);
        for (number, later) in (0..).zip(later) {
            desk.now += later;
            let is_due = desk.now >= last.saturating_add(limits.pause(failures));
            let told = desk.fail("anna", IpAddr::V6(Ipv6Addr::from_bits(number << 64)));
            prop_assert_eq!(told.is_none(), is_due);
            if is_due {
                (failures, last) = (failures + 1, desk.now);
            }
        }
    }
}
