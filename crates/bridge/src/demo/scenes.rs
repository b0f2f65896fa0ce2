//! The seven scenes: completed, refused, reversed, unknown and then resolved, replayed, forged, and one that only two
//! persons can end.

use super::money;
use super::town::{NOBODY, OPEN, POOR, QUIET, RICH, STUCK, Town};
use anyhow::{Context, Result};
use client::{Account, IdempotencyKey, NewTransfer, State, Transfer};
use std::time::Duration;
use supervise::say;

/// One ending, shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    Completed,
    Refused,
    Reversed,
    Resolved,
    Replayed,
    Forged,
    ForTwo,
}

/// What a scene brought about.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The transfer as the API told it last; `None` where nothing was begun.
    pub(crate) transfer: Option<Transfer>,
    /// The answer's bytes, and the key they were asked for with.
    pub(crate) answer: Vec<u8>,
    pub(crate) key: IdempotencyKey,
    /// What happened, in a sentence.
    pub(crate) what: String,
    /// Why it ended so.
    pub(crate) why: String,
    /// Whether it is what was to be shown.
    pub(crate) as_expected: bool,
}

impl Scene {
    pub(crate) const ALL: [Scene; 7] = [
        Scene::Completed,
        Scene::Refused,
        Scene::Reversed,
        Scene::Resolved,
        Scene::Replayed,
        Scene::Forged,
        Scene::ForTwo,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Scene::Completed => "Completed: the usual way",
            Scene::Refused => "Refused: the first leg is refused, nothing moves",
            Scene::Reversed => "Reversed: the second leg is refused, the first is undone",
            Scene::Resolved => "Unknown, then resolved: the second leg's answer is lost",
            Scene::Replayed => "Replayed: the same key again, signed anew",
            Scene::Forged => "Forged: one digit of the amount is changed after signing",
            Scene::ForTwo => {
                "For two persons: the second leg is refused, and so is undoing the first"
            }
        }
    }

    pub(crate) fn story(self) -> String {
        match self {
            Scene::Completed => format!(
                "{} leave securities {RICH} and arrive at futures {OPEN}",
                money(self.order().amount)
            ),
            Scene::Refused => format!(
                "securities {POOR} holds {}, and is asked for {}",
                money(10_000),
                money(self.order().amount)
            ),
            Scene::Reversed => format!(
                "securities {RICH} is debited, futures does not know {NOBODY}; the money goes back"
            ),
            Scene::Resolved => format!(
                "futures credits {QUIET} and never says so; the bridge asks before it decides"
            ),
            Scene::Replayed => "the first order once more: no money may move".to_owned(),
            Scene::Forged => "the bridge must not even look at the order".to_owned(),
            Scene::ForTwo => format!(
                "securities {STUCK} is debited and takes nothing back, futures does not know {NOBODY}; the bridge must \
                 not guess"
            ),
        }
    }

    /// What is ordered, and with which amount: no two scenes use the same.
    fn order(self) -> NewTransfer {
        let (from, to, amount) = match self {
            Scene::Completed | Scene::Replayed => (RICH, OPEN, 100_000),
            Scene::Refused => (POOR, OPEN, 50_000),
            Scene::Reversed => (RICH, NOBODY, 25_000),
            Scene::Resolved => (RICH, QUIET, 70_000),
            Scene::Forged => (RICH, OPEN, 10_000),
            Scene::ForTwo => (STUCK, NOBODY, 30_000),
        };
        NewTransfer {
            from: Account::new("securities", from),
            to: Account::new("futures", to),
            amount,
            currency: "CNY".to_owned(),
        }
    }

    pub(crate) async fn play(self, town: &Town, seen: &[Seen]) -> Result<Seen> {
        match self {
            Scene::Refused => self.move_money(town, State::Refused).await,
            Scene::Reversed => self.move_money(town, State::Reversed).await,
            Scene::Completed | Scene::Resolved => self.move_money(town, State::Completed).await,
            Scene::ForTwo => self.move_money(town, State::NeedsOperator).await,
            Scene::Replayed => self.replay(town, seen).await,
            Scene::Forged => self.forge(town).await,
        }
    }

    async fn move_money(self, town: &Town, expected: State) -> Result<Seen> {
        let key = IdempotencyKey::random();
        let posted = town.client().transfer(&self.order(), &key, Duration::from_secs(1)).await?;
        let mut transfer = posted.transfer;
        let mut told = transfer.next.clone();
        // What is not final yet is told as it goes on.
        let is_over = |state: State| state.is_final() || state == expected;
        while !is_over(transfer.state) {
            if let Some(next) = &told {
                say!("   … {} ({})", next, transfer.state)?;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            transfer = town.client().show(&transfer.master_serial).await?;
            while !is_over(transfer.state) && transfer.next == told {
                tokio::time::sleep(Duration::from_millis(100)).await;
                transfer = town.client().show(&transfer.master_serial).await?;
            }
            told.clone_from(&transfer.next);
        }
        let why = transfer.reason.clone().unwrap_or_else(|| match self {
            Scene::Resolved => "the counter was asked, and said that it had done it".to_owned(),
            _ => "both counters said yes".to_owned(),
        });
        Ok(Seen {
            what: format!("{}: {why}", transfer.state),
            as_expected: transfer.state == expected,
            answer: posted.body,
            transfer: Some(transfer),
            key,
            why,
        })
    }

    async fn replay(self, town: &Town, seen: &[Seen]) -> Result<Seen> {
        let first = seen.first().context("the first scene comes first")?;
        let posted =
            town.client().transfer(&self.order(), &first.key, Duration::from_secs(5)).await?;
        let same = posted.body == first.answer;
        Ok(Seen {
            what: if same {
                format!("the first answer again, byte for byte ({} bytes)", posted.body.len())
            } else {
                "another answer than the first".to_owned()
            },
            why: "the same key is the same transfer".to_owned(),
            as_expected: same,
            answer: posted.body,
            transfer: Some(posted.transfer),
            key: first.key.clone(),
        })
    }

    async fn forge(self, town: &Town) -> Result<Seen> {
        let key = IdempotencyKey::random();
        let (status, body) = town.forged(&self.order(), &key).await?;
        // The key was not consumed: the order as it was signed could still be sent under it.
        let page = town.client().list(&client::TransferFilter::default()).await;
        let moved = match page {
            Ok(page) => page.transfers.iter().any(|transfer| transfer.amount == Some(90_000)),
            Err(_) => true,
        };
        let said = serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|problem| problem["detail"].as_str().map(str::to_owned))
            .unwrap_or_default();
        Ok(Seen {
            what: format!("{status}: {said}"),
            why: said,
            as_expected: status == 401 && !moved,
            answer: body,
            transfer: None,
            key,
        })
    }
}
