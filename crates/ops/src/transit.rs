//! Money in transit over all open transfers: by pair of counters and age, whether it is conserved, and what of it is
//! known at each counter.

use super::Ops;
use super::transfers::EvidenceJson;
use api::problem::{Problem, kind};
use axum::Json;
use axum::extract::State;
use coordinator::transit::{Books, Moving};
use coordinator::{AtCounter, COUNTED_WITHIN, Colour, Total, Transit, Uncounted};
use domain::money::Currency;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

/// Money in transit, and whether all of it is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transit)]
pub(super) struct TransitJson {
    /// When it was counted, in microseconds since 1970 UTC.
    now: i64,
    /// By currency, over all open transfers.
    totals: Vec<TotalJson>,
    /// By source counter, destination counter and currency; pairs without money in transit are left out.
    pairs: Vec<PairJson>,
    /// By currency, what is not told apart by pair, for there are more than 4096 pairs and currencies. While there is
    /// any, a pair's own line may be a part of what is there.
    others: Vec<OthersJson>,
    /// Every counter, in the order of configuration.
    counters: Vec<AtCounterJson>,
    /// The oldest transfers with money in transit, the oldest first, without their trails; 50 at most.
    transfers: Vec<EvidenceJson>,
}

/// Money that was debited and neither credited nor given back, as transfers say of themselves; in minor units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Moving)]
struct MovingJson {
    /// How many transfers have money in transit.
    transfers: usize,
    /// How much it is, in minor units of the currency.
    in_transit: i64,
    /// The same by age, since the transfers were accepted.
    by_age: AgesJson,
    /// When the oldest of them was accepted, in microseconds since 1970 UTC; null if there is none.
    #[schema(required)]
    oldest_at: Option<i64>,
}

/// Amounts by age, in minor units of the currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ages)]
struct AgesJson {
    /// Accepted less than a minute ago.
    below_minute: i64,
    /// Accepted less than an hour ago.
    below_hour: i64,
    /// Accepted less than a day ago.
    below_day: i64,
    /// Accepted before that.
    older: i64,
}

/// Money in transit from one counter to another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PairInTransit)]
struct PairJson {
    /// The counter that debits.
    from: String,
    /// The counter that credits.
    to: String,
    /// ISO 4217 code of the currency.
    currency: String,
    /// What is in transit.
    moving: MovingJson,
}

/// Money in transit between counters that are not told apart.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OthersInTransit)]
struct OthersJson {
    /// ISO 4217 code of the currency.
    currency: String,
    /// What is in transit.
    moving: MovingJson,
}

/// What is known of the money of legs, in minor units of the currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LegsMoney)]
struct BooksJson {
    /// ISO 4217 code of the currency.
    currency: String,
    /// Proven debited.
    debited: i64,
    /// Proven credited.
    credited: i64,
    /// Proven returned: debits that were reversed.
    returned: i64,
    /// Sent, the answer awaited, of transfers that were accepted less than a minute ago.
    awaited: i64,
    /// Not known: sent, and neither proven nor disproven.
    unknown: i64,
}

/// All of one currency: what transfers say, held against what their legs say.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TotalInTransit)]
struct TotalJson {
    /// What transfers say.
    moving: MovingJson,
    /// What is proven paid out ahead of its debit, in minor units: credits that a former life of the bridge had made,
    /// and what was paid out once too often.
    paid_ahead: i64,
    /// What their legs say, with the currency.
    legs: BooksJson,
    /// Debited, less credited and returned, less what is in transit, with what is paid ahead; 0 if money is conserved.
    difference: i64,
    /// How many transfers say otherwise than their legs do.
    differing: usize,
    /// One of these transfers; null if there is none.
    #[schema(required, pattern = "^[0-9]{19}$")]
    differs: Option<String>,
    /// Whether money is conserved: nothing differs, over all and of each transfer.
    conserved: bool,
}

/// How a counter stands, as far as open transfers go.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Colour)]
#[serde(rename_all = "snake_case")]
enum ColourJson {
    /// Every leg of its open transfers is known, or its answer is awaited no longer than a minute.
    Green,
    /// The outcome of some leg is not known.
    Unknown,
    /// What it says is in doubt or in contradiction, or money is not conserved.
    Red,
}

/// What is known of the legs at a counter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CounterInTransit)]
struct AtCounterJson {
    /// Name of the counter.
    counter: String,
    /// How it stands.
    colour: ColourJson,
    /// Why it stands so, in sentences; the worst first.
    why: Vec<String>,
    /// Legs whose answer is awaited, of transfers that were accepted less than a minute ago.
    awaited_legs: usize,
    /// Legs whose outcome is not known.
    unknown_legs: usize,
    /// When the oldest transfer with such a leg was accepted, in microseconds since 1970 UTC; null if there is none.
    #[schema(required)]
    unknown_since: Option<i64>,
    /// Legs under whose serial the counter may hold another transfer's posting.
    doubted_legs: usize,
    /// Transfers with a leg here of which what is proven does not go together.
    contradicted: usize,
    /// What is known of the money of its legs, by currency.
    money: Vec<BooksJson>,
}

impl From<&Moving> for MovingJson {
    fn from(moving: &Moving) -> MovingJson {
        let [below_minute, below_hour, below_day, older] = moving.by_age;
        MovingJson {
            transfers: moving.transfers,
            in_transit: moving.in_transit(),
            by_age: AgesJson { below_minute, below_hour, below_day, older },
            oldest_at: moving.oldest_at,
        }
    }
}

impl BooksJson {
    fn new(currency: Currency, books: &Books) -> BooksJson {
        let Books { debited, credited, returned, awaited, unknown } = *books;
        let currency = currency.to_string();
        BooksJson { currency, debited, credited, returned, awaited, unknown }
    }
}

impl TotalJson {
    fn new(currency: Currency, total: &Total) -> TotalJson {
        TotalJson {
            moving: MovingJson::from(&total.moving),
            paid_ahead: total.moving.ahead,
            legs: BooksJson::new(currency, &total.books),
            difference: total.difference(),
            differing: total.differing,
            differs: total.differs.map(|master| master.to_string()),
            conserved: total.is_conserved(),
        }
    }
}

impl From<Colour> for ColourJson {
    fn from(colour: Colour) -> ColourJson {
        match colour {
            Colour::Green => ColourJson::Green,
            Colour::Unknown => ColourJson::Unknown,
            Colour::Red => ColourJson::Red,
        }
    }
}

impl From<&AtCounter> for AtCounterJson {
    fn from(at: &AtCounter) -> AtCounterJson {
        let money = at.books.iter().map(|(currency, books)| BooksJson::new(*currency, books));
        AtCounterJson {
            counter: at.counter.to_string(),
            colour: at.colour.into(),
            why: at.why.clone(),
            awaited_legs: at.sight.awaited,
            unknown_legs: at.sight.unknown,
            unknown_since: at.sight.unknown_since,
            doubted_legs: at.sight.doubted,
            contradicted: at.sight.contradicted,
            money: money.collect(),
        }
    }
}

impl TransitJson {
    fn new(transit: &Transit, transfers: Vec<EvidenceJson>) -> TransitJson {
        let moving = transit.pairs.iter().filter(|(_, moving)| moving.transfers > 0);
        let pairs = moving.map(|((from, to, currency), moving)| PairJson {
            from: from.to_string(),
            to: to.to_string(),
            currency: currency.to_string(),
            moving: moving.into(),
        });
        let moving = transit.others.iter().filter(|(_, moving)| moving.transfers > 0);
        let others = moving.map(|(currency, moving)| OthersJson {
            currency: currency.to_string(),
            moving: moving.into(),
        });
        let totals = transit.totals.iter();
        TransitJson {
            now: transit.at,
            totals: totals.map(|(currency, total)| TotalJson::new(*currency, total)).collect(),
            pairs: pairs.collect(),
            others: others.collect(),
            counters: transit.counters.iter().map(AtCounterJson::from).collect(),
            transfers,
        }
    }
}

/// Money in transit, and whether all of it is there.
///
/// Over all open transfers, counted from memory twice and apart: from what is known of each leg at its counter, and from
/// what each transfer says. Where the two differ, the bridge raises an alarm, once. It is counted once for all who ask, at
/// most once a second; `now` says when.
#[utoipa::path(
    get, path = "/ops/v1/transit", tag = "transfers", operation_id = "transit",
    responses((status = 200, description = "Money in transit at this moment", body = TransitJson))
)]
pub(super) async fn show(State(ops): State<Ops>) -> Result<Json<TransitJson>, Problem> {
    let coordinator = &ops.state.coordinator;
    let counted = coordinator.counted().await.map_err(uncounted)?;
    let transit = &counted.transit;
    let naming = async {
        let mut transfers = Vec::with_capacity(transit.oldest.len());
        for master in &transit.oldest {
            // It may have arrived since it was counted.
            let view = coordinator.view(master.sequence).await;
            let view = view.filter(|view| view.transfer.in_transit() > 0);
            transfers.extend(view.map(|view| EvidenceJson::new(&view, transit.at)));
        }
        transfers
    };
    // A shard may stand still since it has counted.
    let named = timeout(COUNTED_WITHIN, naming).await;
    let transfers = named.map_err(|_| uncounted(Uncounted::Late))?;
    Ok(Json(TransitJson::new(transit, transfers)))
}

/// What is answered where open transfers were not counted.
pub(super) fn uncounted(why: Uncounted) -> Problem {
    match why {
        Uncounted::Stopping => Problem::new(kind::STOPPING),
        Uncounted::Failed => Problem::new(kind::NOT_COUNTED).detail(why.to_string()),
        Uncounted::Late => {
            let detail = format!("{why}: /healthz says whether a part of the bridge stands still");
            Problem::new(kind::NOT_COUNTED).detail(detail).retry_after(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_in_time_says_where_to_look() {
        let late = uncounted(Uncounted::Late);
        assert_eq!(late.status().as_u16(), 503);
        let says = "the transfers were not counted within 2 s: /healthz says whether a part of the bridge stands still";
        assert_eq!(late.document()["detail"], says);
        assert_eq!(uncounted(Uncounted::Stopping).slug(), "stopping");
    }
}
