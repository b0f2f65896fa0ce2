//! What is begun: taken on, told, refused, and gone on with after a restart.

use crate::stage::{Counter, LIMIT, Stage, config, counter_id, order, text};
use crate::{CREDIT_REFUSED, DEAF, NO_CREDIT, folder, listed, of_app, order_to};
use coordinator::events::{Event, Kind};
use coordinator::{BeginError, Begun, Config, Found};
use domain::money::Amount;
use domain::serial::MasterSerial;
use domain::transfer::State;
use port::CounterIndex;
use std::time::Duration;
use store::{FinalState, ListFilter, OpenState, StateFilter};

#[tokio::test]
async fn what_ends_is_told_again_under_its_key_and_found_in_the_record() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", CREDIT_REFUSED).await;
    let other = Counter::start("other", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures, &other], config()).await;
    let recovered = |event: &Event| event.kind == Kind::Recovered;
    assert!(!stage.coordinator.events().follow().0.iter().any(recovered), "nothing was open");
    let (reversed, told) = stage.ends("refused").await;
    assert_eq!(told, format!("{reversed} reversed"));
    let mut to_other = order_to("done", "other");
    let Ok(Begun::Final { master, answer, replayed: false }) =
        stage.coordinator.begin(to_other.clone(), LIMIT).await
    else {
        panic!("it ends")
    };
    assert_eq!(text(&answer), format!("{master} completed"));
    assert!(master > reversed);

    // The same order is told the same; another one under its key is told whose it is.
    let again = stage.coordinator.begin(to_other.clone(), LIMIT).await.expect("it is told");
    assert!(
        matches!(&again, Begun::Final { master: same, answer: told, replayed: true }
            if *same == master && *told == answer),
        "{again:?}"
    );
    to_other.fingerprint = [8; 32];
    let reused = stage.coordinator.begin(to_other, LIMIT).await;
    assert!(matches!(reused, Err(BeginError::KeyReused(same)) if same == master), "{reused:?}");

    // Its tasks are watched: one that does not get on is knocked at, and then spoken of.
    let (vitals, now) = (stage.coordinator.vitals(), std::time::Instant::now());
    for (hours, all_is_well) in [(0, true), (1, true), (2, false)] {
        let ailing = vitals.look(now + Duration::from_hours(hours));
        assert_eq!(ailing.is_nothing(), all_is_well, "after {hours} hours: {ailing:?}");
    }
    assert_eq!(stage.coordinator.open(), 0);
    assert_eq!(stage.coordinator.summary().await, Ok(coordinator::Summary::default()));
    assert!(stage.coordinator.view(master.sequence).await.is_none());
    let found = stage.coordinator.find(master).await.expect("it reads").expect("it is there");
    assert_eq!((found.master(), found.app()), (master, "app"));
    let Found::Ended(stored) = found else { panic!("it has ended") };
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Completed));
    // Its counter dedupes: after a crash it says itself whether it got the credit.
    assert!(!stored.transfer.credit_barrier);
    let stored = stage.coordinator.stored(reversed).await.expect("it reads").expect("there");
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Reversed));
    let trail = stage.coordinator.trail(reversed).await.expect("it reads").join("\n");
    assert!(trail.contains("reversal") && trail.contains("302"), "{trail}");
    assert_eq!(listed(&stage, &of_app(None)).await, [master, reversed]);
    let completed = of_app(Some(StateFilter::Ended(FinalState::Completed)));
    assert_eq!(listed(&stage, &completed).await, [master]);
    let nobody = ListFilter { app: Some("nobody".to_owned()), ..ListFilter::default() };
    assert_eq!(listed(&stage, &nobody).await, []);
    stage.stop().await;
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
}

#[tokio::test]
async fn what_may_not_be_begun_is_refused_with_its_reason() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let limit = Amount::new(1_000).expect("an amount");
    let stage = Stage::with_links(folder.path(), &[&securities, &futures], config(), |link| {
        if link.counter == counter_id("futures") {
            link.profile.per_transfer_limit = Some(limit);
            link.profile.dedupes = false;
        }
    })
    .await;
    let begin = async |change: fn(&mut coordinator::Begin)| {
        let mut order = order("refused");
        change(&mut order);
        stage.coordinator.begin(order, LIMIT).await.map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = begin(|wanted| wanted.order.to.counter = counter_id("nobody")).await;
    assert_eq!(refused, Err("there is no counter nobody".to_owned()));
    let refused = begin(|wanted| wanted.order.to = wanted.order.from.clone()).await;
    assert_eq!(refused, Err("source and destination are the same account".to_owned()));
    let refused =
        begin(|wanted| wanted.order.amount = Amount::new(1_001).expect("an amount")).await;
    let text = "futures takes at most 1000 minor units in one transfer";
    assert_eq!(refused, Err(text.to_owned()));
    assert_eq!(
        begin(|wanted| wanted.order.amount = Amount::new(1_000).expect("an amount")).await,
        Ok(())
    );
    futures.stop().await;
    let gone = async {
        while stage.coordinator.counters()[CounterIndex(1)].is_up() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("its end is noticed");
    let refused = stage.begin("down", LIMIT).await;
    assert!(
        matches!(&refused, Err(BeginError::CounterDown(counter)) if *counter == counter_id("futures")),
        "{refused:?}"
    );
    // What was answered once is answered again, whatever has changed since.
    let mut same = order("refused");
    same.order.amount = limit;
    let again = stage.coordinator.begin(same, LIMIT).await;
    let Ok(Begun::Final { master, replayed: true, .. }) = again else { panic!("{again:?}") };
    let stored = stage.coordinator.stored(master).await.expect("it reads").expect("there");
    assert!(stored.transfer.credit_barrier, "only our own record tells whether it was sent");
    stage.stop().await;
    securities.stop().await;
}

#[tokio::test]
async fn no_more_is_taken_on_than_can_be_done() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", NO_CREDIT).await;
    let other = Counter::start("other", NO_CREDIT).await;
    let config = Config { posting_deadline: LIMIT, most_open: 2, ..config() };
    let counters = [&securities, &futures, &other];
    let stage = Stage::with_links(folder.path(), &counters, config, |link| {
        if link.counter == counter_id("futures") {
            (link.bounds.in_flight, link.bounds.queued) = (1, 1);
        }
    })
    .await;
    stage.goes_on("first").await;
    assert!(stage.crediting(1).await.by_state.contains_key("crediting"));
    // The one place at this counter is taken, whichever side of a transfer it is.
    let crowded = stage.begin("to", LIMIT).await;
    assert!(matches!(crowded, Err(BeginError::Overloaded)), "{crowded:?}");
    let mut from = order_to("from", "other");
    from.order.from.counter = counter_id("futures");
    let crowded = stage.coordinator.begin(from, LIMIT).await;
    assert!(matches!(crowded, Err(BeginError::Overloaded)), "{crowded:?}");
    // Others are not held up by it, as long as there is room in all.
    let begun = stage.coordinator.begin(order_to("second", "other"), Duration::ZERO).await;
    assert!(matches!(begun, Ok(Begun::Running(_))), "{begun:?}");
    let full = stage.coordinator.begin(order_to("third", "other"), LIMIT).await;
    assert!(matches!(full, Err(BeginError::Overloaded)), "{full:?}");
    // First the counters, for what is in flight to them would be waited for.
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
    stage.stop().await;
}

#[tokio::test]
async fn what_goes_on_is_in_its_shards_hands_and_survives_a_restart() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let few = Config { most_open: 2, most_callers: 1, ..config() };
    let stage = Stage::start(folder.path(), &[&securities, &futures], few).await;
    let master = stage.goes_on("first").await;
    let second = stage.goes_on("second").await;
    let begun = stage.begin("third", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::Overloaded)), "{begun:?}");
    let begun = stage.begin("first", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::InProgress(same)) if same == master), "{begun:?}");
    assert_eq!(stage.coordinator.open(), 2);
    assert!(!stage.coordinator.is_crowded(), "nobody waits");

    // It is debited, and the credit is on its way.
    let summary = stage.crediting(2).await;
    assert_eq!((summary.moving(), summary.in_transit.get("CNY")), (2, Some(&200)));
    let view = stage.coordinator.view(master.sequence).await.expect("it is open");
    assert_eq!((view.transfer.intent.master, &*view.app), (master, "app"));
    assert!(matches!(stage.coordinator.find(master).await, Ok(Some(Found::Open(_)))));
    let crediting = of_app(Some(StateFilter::Open(OpenState::Crediting)));
    assert_eq!(listed(&stage, &crediting).await, [second, master]);
    let page = stage.coordinator.list(&ListFilter { limit: 1, ..crediting.clone() }).await;
    let page = page.expect("a page");
    assert_eq!(page.transfers.len(), 1);
    let rest = ListFilter { before: page.next, ..crediting };
    assert_eq!(listed(&stage, &rest).await, [master]);
    let reversing = of_app(Some(StateFilter::Open(OpenState::Reversing)));
    assert_eq!(listed(&stage, &reversing).await, []);
    assert_eq!(listed(&stage, &of_app(None)).await, [second, master]);
    let views = stage.coordinator.open_views().await;
    let masters: Vec<MasterSerial> = views.iter().map(|view| view.transfer.intent.master).collect();
    assert_eq!(masters, [master, second]);
    let (oldest, total) = stage.coordinator.oldest(Some(State::Crediting), 1).await;
    assert_eq!((oldest.len(), total), (1, 2));
    assert_eq!(oldest[0].transfer.intent.master, master);
    assert_eq!(stage.coordinator.oldest(Some(State::Reversing), 9).await.1, 0);

    // Whoever waits is counted, and told when it ends; here it does not.
    let waiting = stage.coordinator.begin(order("first"), LIMIT);
    assert!(matches!(waiting.await, Err(BeginError::InProgress(_))));
    stage.coordinator.wait(master.sequence, Duration::from_millis(1)).await;
    stage.stop().await;
    futures.stop().await;

    // The counter hears again, and has no word of the credits: they are sent again.
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    stage.event(Kind::Recovered, "2 open transfers are taken up again").await;
    for master in [master, second] {
        stage.coordinator.wait(master.sequence, LIMIT).await;
        let stored = stage.coordinator.stored(master).await.expect("it reads").expect("there");
        assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Completed));
    }
    let again = stage.begin("first", LIMIT).await;
    assert!(
        matches!(&again, Ok(Begun::Final { master: same, replayed: true, .. }) if *same == master),
        "{again:?}"
    );
    assert_eq!(stage.coordinator.open(), 0);
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}
