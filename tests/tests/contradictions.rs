//! What a counter says against what it said before, or about what is not its own, after the transfer has
//! ended: the ending stays, and operators are told on every surface.

use anyhow::{Context, Result, ensure};
use domain::message::{Instruction, Reply};
use serde_json::{Value, json};
use system_tests::caller::{Caller, LOOK_EVERY};
use system_tests::peer::{Manners, Peer, done, refused};
use system_tests::process::{Process, free_address};
use system_tests::stage::{FOUND_WITHIN, Stage};
use wire::payload::RequestId;

/// A bridge between a counter that is what it should be and one that says what a test wants.
struct Pair {
    stage: Stage,
    honest: Process,
    liar: Peer,
}

impl Pair {
    async fn start() -> Result<Pair> {
        let liar = Peer::start("liar", Manners::Good).await?;
        let address = free_address()?.to_string();
        let stage = Stage::start(&format!(
            "[[counter]]\nid = 'honest'\ndialect = 'securities'\naddresses = ['{address}']\n\
             key_file = 'k'\n{}",
            liar.configured()
        ))
        .await?;
        let honest = Pair::honest(&stage, &address)?;
        let pair = Pair { stage, honest, liar };
        pair.are_up().await?;
        Ok(pair)
    }

    fn honest(stage: &Stage, address: &str) -> Result<Process> {
        let accounts = ["--account", "6001=1000000", "--books", "honest.jsonl"];
        let options = ["--id", "honest", "--listen", address];
        stage.counter("securities", &[&options[..], &accounts[..]].concat())
    }

    async fn are_up(&self) -> Result<()> {
        for counter in ["honest", "liar"] {
            self.stage.until(counter, true, FOUND_WITHIN).await?;
        }
        Ok(())
    }

    /// Orders a transfer to the liar, and gives the request for its credit as it arrives there.
    async fn order(&mut self, key: &str, amount: i64) -> Result<Ordered> {
        let body = json!({
            "from": { "counter": "honest", "account": "6001" },
            "to": { "counter": "liar", "account": "8001" },
            "amount": amount,
            "currency": "CNY",
        });
        let (caller, key) = (self.stage.caller()?, key.to_owned());
        let answer = tokio::spawn({
            let (caller, key, body) = (caller.clone(), key.clone(), body.to_string());
            async move { caller.post(&key, &body, 20).await }
        });
        let (id, credit) = self.liar.posting().await?;
        ensure!(matches!(credit, Instruction::Credit(_)), "{credit:?}");
        Ok(Ordered { caller, answer, id, credit })
    }

    /// That all surfaces tell of so many contradictions of the liar's, this one among them, and the
    /// transfer is as it was.
    async fn is_told(&self, transfer: &Value, count: usize, word: &str) -> Result<()> {
        let serial = transfer["master_serial"].as_str().context("a serial")?;
        let event = self.stage.told(|event| {
            event["transfer"] == serial
                && event["text"].as_str().is_some_and(|it| it.contains(word))
        });
        let event = event.await.with_context(|| format!("about {serial}"))?;
        assert_eq!(event["kind"], "contradiction", "{event}");
        let line = format!(
            "counter_bridge_counter_faults_total{{counter=\"liar\",fault=\"contradiction\"}} {count}\n"
        );
        self.stage.look("/metrics", |metrics| metrics.contains(&line).then_some(())).await?;
        self.stage
            .look("/metrics", |all| {
                let line = "counter_bridge_alarms_total{kind=\"contradiction\"} ";
                let counted = all.lines().find_map(|it| it.strip_prefix(line)?.parse::<u64>().ok());
                counted.is_some_and(|counted| counted > 0).then_some(())
            })
            .await?;
        let told =
            |line: &&str| line.contains(serial) && line.contains(word) && line.contains("ERROR");
        let begun = tokio::time::Instant::now();
        // The log is written by a thread of its own, and read by another.
        while !self.stage.log().lines().any(|line| told(&line)) {
            ensure!(begun.elapsed() < FOUND_WITHIN, "{serial} is not in:\n{}", self.stage.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let now = self.stage.caller()?.get(&format!("/v1/transfers/{serial}")).await?;
        assert_eq!(now.json::<Value>()?, *transfer, "an ending was changed");
        Ok(())
    }
}

/// A transfer whose credit the liar has been asked for.
struct Ordered {
    caller: Caller,
    answer: tokio::task::JoinHandle<Result<system_tests::caller::Said>>,
    id: RequestId,
    credit: Instruction,
}

impl Ordered {
    /// How it ended.
    async fn ended(self, state: &str) -> Result<(Value, RequestId, Instruction)> {
        let said = self.answer.await??;
        ensure!(said.status == 201, "{said:?}");
        let transfer: Value = said.json()?;
        ensure!(transfer["state"] == state, "{transfer}");
        // As it is shown from now on.
        let serial = transfer["master_serial"].as_str().context("a serial")?;
        let shown = self.caller.get(&format!("/v1/transfers/{serial}")).await?.json()?;
        Ok((shown, self.id, self.credit))
    }
}

#[tokio::test]
async fn a_counter_that_contradicts_an_ending_is_told_of_and_changes_nothing() -> Result<()> {
    let mut pair = Pair::start().await?;

    // It refuses unasked, and answers the request itself, which is still in flight, after the end.
    let order = pair.order("in-flight", 111).await?;
    pair.liar.say_unasked(refused(&order.credit))?;
    let (reversed, id, credit) = order.ended("reversed").await?;
    pair.liar.answer(id, done(&credit))?;
    pair.is_told(&reversed, 1, "says that the credit is posted").await?;

    // It refuses, and says unasked after the end that it was done.
    let order = pair.order("unasked", 222).await?;
    pair.liar.answer(order.id, refused(&order.credit))?;
    let (refused_then_done, _, credit_of_second) = order.ended("reversed").await?;
    pair.liar.say_unasked(done(&credit_of_second))?;
    pair.is_told(&refused_then_done, 2, "says that the credit is posted").await?;

    // It has done it, and says that it was refused.
    let order = pair.order("taken-back", 333).await?;
    pair.liar.answer(order.id, done(&order.credit))?;
    let (completed, _, credit) = order.ended("completed").await?;
    pair.liar.say_unasked(refused(&credit))?;
    pair.is_told(&completed, 3, "says that the credit is refused").await?;

    // Another amount than the transfer's is a posting that nobody ordered.
    let mut claim = done(&credit);
    let Reply::Posting(reply) = &mut claim else { unreachable!("a posting was asked for") };
    let posted = reply.posted.as_mut().context("it was posted")?;
    posted.amount = domain::money::Amount::new(334)?;
    pair.liar.say_unasked(claim)?;
    pair.is_told(&completed, 4, "claims a posting for the credit").await?;

    // What agrees is no alarm, however often it is said.
    for _ in 0..3 {
        pair.liar.say_unasked(done(&credit))?;
    }
    // A process that has never seen the transfer knows as well.
    pair.stage.restart().await?;
    pair.are_up().await?;
    pair.liar.say_unasked(done(&credit))?;
    pair.liar.say_unasked(refused(&credit))?;
    pair.is_told(&completed, 1, "says that the credit is refused").await?;
    Ok(())
}

#[tokio::test]
async fn a_counter_that_speaks_of_anothers_leg_touches_nothing_and_is_told_of() -> Result<()> {
    let mut pair = Pair::start().await?;
    // The debit of this order is at a counter that is away, and so it is open.
    pair.honest.freeze()?;
    let body = json!({
        "from": { "counter": "honest", "account": "6001" },
        "to": { "counter": "liar", "account": "8001" },
        "amount": 444,
        "currency": "CNY",
    });
    let caller = pair.stage.caller()?;
    let said = caller.post("foreign", &body.to_string(), 0).await?;
    ensure!(said.status == 202, "{said:?}");
    let open: Value = said.json()?;
    let serial = open["master_serial"].as_str().context("a serial")?;
    // It has seen only its own legs, and makes up the other's.
    let master: domain::serial::MasterSerial = serial.parse()?;
    let debit = Instruction::Debit(domain::message::Posting {
        serial: master.leg(domain::serial::Role::Debit),
        master,
        settle_day: domain::serial::Day::new(20_261_121).context("a day")?,
        account: "6001".parse()?,
        amount: domain::money::Amount::new(444)?,
        currency: domain::money::Currency::CNY,
        mark: None,
    });
    for _ in 0..5 {
        pair.liar.say_unasked(done(&debit))?;
        pair.liar.say_unasked(refused(&debit))?;
    }
    let line = "counter_bridge_counter_faults_total{counter=\"liar\",fault=\"foreign\"} 10\n";
    pair.stage.look("/metrics", |metrics| metrics.contains(line).then_some(())).await?;
    let event = pair.stage.told(|event| event["kind"] == "foreign").await?;
    assert_eq!(event["transfer"], serial, "{event}");
    // Nothing was believed: the credit is not asked for before the honest one has answered.
    let now: Value = caller.get(&format!("/v1/transfers/{serial}")).await?.json()?;
    assert_eq!(now["state"], open["state"], "{now}");
    pair.honest.thaw()?;
    let (id, credit) = pair.liar.posting().await?;
    pair.liar.answer(id, done(&credit))?;
    pair.stage.look("/ops/v1/transfers", |open| open.contains("\"total\":0").then_some(())).await?;
    let ended: Value = caller.get(&format!("/v1/transfers/{serial}")).await?.json()?;
    assert_eq!(ended["state"], "completed", "{ended}\n{}", pair.stage.log());
    Ok(())
}
