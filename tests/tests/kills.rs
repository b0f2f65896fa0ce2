//! `kill -9` of the bridge between any two steps of a transfer, and of the counters: after a
//! restart every transfer ends, and the counters' own books show no leg twice and no money lost.

use std::time::Duration;
use system_tests::audit::State;
use system_tests::books::Kind as Line;
use system_tests::caller::{Caller, Order};
use system_tests::chaos::{self, Options, Record};
use system_tests::database::Kind;
use system_tests::mariadb::MariaDb;
use system_tests::town::{Faults, NOBODY, POOR, Town};
use tokio::task::JoinHandle;

/// Which counter's books say that the moment has come.
#[derive(Clone, Copy, Debug)]
enum At {
    Securities,
    Futures,
}

/// A step at which the bridge is killed: it has been posted or refused, and is not answered.
struct Step {
    silent_at_securities: &'static str,
    silent_at_futures: &'static str,
    order: fn(String) -> Order,
    seen_at: At,
    seen: Line,
    ending: State,
}

const STEPS: &[Step] = &[
    Step {
        silent_at_securities: "debit",
        silent_at_futures: "",
        order: |key| Order::new(key, 700),
        seen_at: At::Securities,
        seen: Line::Debit,
        ending: State::Completed,
    },
    Step {
        silent_at_securities: "debit",
        silent_at_futures: "",
        order: |key| Order::new(key, 700).from(POOR),
        seen_at: At::Securities,
        seen: Line::Refused,
        ending: State::Refused,
    },
    Step {
        silent_at_securities: "",
        silent_at_futures: "credit",
        order: |key| Order::new(key, 700),
        seen_at: At::Futures,
        seen: Line::Credit,
        ending: State::Completed,
    },
    Step {
        silent_at_securities: "",
        silent_at_futures: "credit",
        order: |key| Order::new(key, 700).to(NOBODY),
        seen_at: At::Futures,
        seen: Line::Refused,
        ending: State::Reversed,
    },
    Step {
        silent_at_securities: "reversal",
        silent_at_futures: "",
        order: |key| Order::new(key, 700).to(NOBODY),
        seen_at: At::Securities,
        seen: Line::Reversal,
        ending: State::Reversed,
    },
];

fn silent(on: &str) -> String {
    if on.is_empty() {
        String::new()
    } else {
        format!("[[rule]]\non = ['{on}']\ntimes = 1\ndo = 'no_answer'")
    }
}

/// Sends without waiting for the answer; the bridge may be killed meanwhile.
fn send(caller: &Caller, order: &Order) -> JoinHandle<()> {
    let (caller, order) = (caller.clone(), order.clone());
    tokio::spawn(async move {
        // Whatever comes of it: the order is sent again afterwards.
        let _ = caller.send(&order).await;
    })
}

#[tokio::test]
async fn a_kill_after_a_posting_and_before_its_answer() {
    for kind in Kind::all() {
        for (number, step) in STEPS.iter().enumerate() {
            let (securities, futures) =
                (silent(step.silent_at_securities), silent(step.silent_at_futures));
            let faults =
                Faults { securities: &securities, futures: &futures, seed: 1, ..Faults::default() };
            let mut town = Town::start(kind, faults).await.expect("the town starts");
            let order = (step.order)(format!("step-{number}"));
            let sending = send(&town.caller, &order);
            let watched = match step.seen_at {
                At::Securities => &town.securities,
                At::Futures => &town.futures,
            };
            Town::wait_for(watched, step.seen, 1).await.expect("it is posted or refused");
            town.bridge.restart().await.expect("the bridge starts again");
            sending.await.expect("no panic");
            let ending = town.caller.ending(&order).await.expect("it ends");
            let log = || town.bridge.log();
            assert_eq!(ending, step.ending, "{kind:?} step {number}\n{}", log());
            let findings = town.audit().await.expect("an audit");
            assert_eq!(findings, [], "{kind:?} step {number}\n{}", log());
        }
    }
}

/// The counters take their time, and the bridge is killed ever later: before the request came, at
/// each durable step, while each leg is on its way there or back, and after the end.
#[tokio::test]
async fn a_kill_at_every_moment_of_a_transfer() {
    const SLOW: &str = "[[rule]]\non = ['debit', 'credit', 'reversal']\ndo = { late_ms = 40 }";
    let faults = Faults { securities: SLOW, futures: SLOW, seed: 1, ..Faults::default() };
    for kind in Kind::all() {
        let mut town = Town::start(kind, faults).await.expect("the town starts");
        for step in 0..20 {
            let completes = Order::new(format!("completes-{step}"), 700);
            let reverses = Order::new(format!("reverses-{step}"), 800).to(NOBODY);
            let sending = [send(&town.caller, &completes), send(&town.caller, &reverses)];
            tokio::time::sleep(Duration::from_millis(step * 10)).await;
            town.bridge.restart().await.expect("the bridge starts again");
            for sending in sending {
                sending.await.expect("no panic");
            }
            for (order, state) in [(completes, State::Completed), (reverses, State::Reversed)] {
                let ending = town.caller.ending(&order).await.expect("it ends");
                assert_eq!(ending, state, "{kind:?} {order:?}\n{}", town.bridge.log());
            }
            assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?} step {step}");
        }
    }
}

/// Everything at once: many transfers, unreliable counters, and kills of every program. This is a
/// short one; `cargo xtask chaos` makes it as long as anyone likes.
#[tokio::test]
async fn a_storm() {
    let mut records = vec![Record::Sqlite];
    if MariaDb::is_installed() {
        records.push(Record::MariaDb);
    } else {
        println!("left out: a storm over MariaDB, which is not installed here");
    }
    for record in records {
        let options = Options { record, cycles: 8, seed: rand::random() };
        println!("{options:?}");
        let tally = chaos::run(options).await.unwrap_or_else(|error| panic!("{error:#}"));
        println!("{tally}");
    }
}
