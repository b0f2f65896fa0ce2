//! The coordinator as a whole, as those who hold it see it: over a real record, and real links to
//! simulated counters.

mod begun;
mod counters;
mod in_process;
mod lists;
mod on_hold;
mod persons;
mod record;
mod stage;

use coordinator::Found;
use domain::message::{Answer, AnswerCode, Posted, PostingReply};
use domain::serial::{MasterSerial, Role};
use foreign::ForeignText;
use stage::{Stage, counter_id, order};
use store::{ListFilter, StateFilter};

/// The credit never arrives: a transfer is on its way until the bridge asks.
const NO_CREDIT: &str = "[[rule]]\non = [\"credit\"]\ndo = \"drop\"\n";

/// Neither does any question about it.
const DEAF: &str = "[[rule]]\non = [\"credit\", \"query\", \"fence\"]\ndo = \"drop\"\n";

/// Whoever asks for a balance loses the connection.
const DROPS_WHO_ASKS_FOR_A_BALANCE: &str = "[[rule]]\non = [\"balance\"]\ndo = \"close_before\"\n";

const CREDIT_REFUSED: &str = "[[rule]]\non = [\"credit\"]\ndo = { refuse = 302 }\n";

/// The debit cannot be undone, and whether it was, the counter does say.
const REVERSAL_REFUSED: &str = "[[rule]]\non = [\"reversal\"]\ndo = { refuse = 302 }\n";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn of_app(state: Option<StateFilter>) -> ListFilter {
    ListFilter { app: Some("app".to_owned()), state, ..ListFilter::default() }
}

/// The serials on a page.
async fn listed(stage: &Stage, filter: &ListFilter) -> Vec<MasterSerial> {
    let page = stage.coordinator.list(filter).await.expect("a page");
    page.transfers.iter().map(Found::master).collect()
}

/// An order to another counter than usual.
fn order_to(key: &str, counter: &str) -> coordinator::Begin {
    let mut begin = order(key);
    begin.order.to.counter = counter_id(counter);
    begin
}

/// What a counter answers of the credit of a transfer.
async fn of_credit(stage: &Stage, master: MasterSerial, code: AnswerCode) -> PostingReply {
    let stored = stage.coordinator.stored(master).await.expect("it reads").expect("it is there");
    let transfer = stored.transfer;
    let posted = Posted {
        counter_serial: "C1".into(),
        settle_day: transfer.credit_day,
        account: transfer.order.to.account,
        amount: transfer.order.amount,
        currency: transfer.order.currency,
        original: None,
    };
    PostingReply {
        serial: master.leg(Role::Credit),
        answer: Answer { code, text: ForeignText::default() },
        posted: (code == AnswerCode::DONE).then_some(posted),
        mark: transfer.mark,
    }
}
