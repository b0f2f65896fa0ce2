//! Many that wake together do so in turns, the first of them at once.

use super::*;

const MANY: u64 = 1000;

impl Stage {
    /// How many requests are wanted now; they are taken away.
    fn asks(&mut self) -> usize {
        std::iter::from_fn(|| self.ask()).count()
    }
}

/// Transfers whose debits may have been sent by an earlier life.
fn taken_up() -> Stage {
    let mut stage = Stage::new(Profile::default());
    for sequence in 1..=MANY {
        drop(stage.begin(sequence));
    }
    let mut writes = std::mem::take(&mut stage.out);
    stage.shard = Stage::new(Profile::default()).shard;
    for output in writes.drain(..) {
        let Output::Write(Write { accept: Some(new), .. }) = output else { continue };
        let mut transfer = Transfer::accepted(intent(&new));
        transfer.phase = Phase::DebitAsking;
        transfer.debit.knowledge = Knowledge::Unknown;
        let transfer = Box::new(transfer);
        stage.handle(Input::Recovered {
            new,
            transfer,
            updated_at: 0,
            next_part: 0,
            left_alone: false,
            dealing: Dealing::Nobody,
        });
    }
    stage
}

#[test]
fn what_is_taken_up_asks_in_turns() {
    let mut stage = taken_up();
    assert_eq!(stage.shard.len(), usize::try_from(MANY).expect("small"));
    // The default is two shards, which share the first turns and the pace.
    assert_eq!(stage.asks(), 128);
    stage.now.at += Duration::from_millis(16);
    stage.shard.tick(stage.now, &stage.world, &mut stage.out);
    assert_eq!(stage.asks(), 100, "12,500 a second, of which this shard has half");
    stage.now.at += Duration::from_secs(1);
    stage.shard.tick(stage.now, &stage.world, &mut stage.out);
    assert_eq!(stage.asks(), 1000 - 228);
    assert_eq!(stage.shard.next_timer(), None);
}

#[test]
fn what_waits_for_a_counter_wakes_in_turns_when_it_is_back() {
    let mut stage = taken_up();
    stage.now.at += Duration::from_secs(2);
    stage.shard.tick(stage.now, &stage.world, &mut stage.out);
    while let Some((ticket, _)) = stage.ask() {
        stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
    }
    stage.out.clear();
    stage.handle(Input::SessionBegan(CounterIndex(0)));
    assert_eq!(stage.asks(), 128);
    stage.now.at += Duration::from_secs(1);
    stage.shard.tick(stage.now, &stage.world, &mut stage.out);
    assert_eq!(stage.asks(), 1000 - 128);
}
