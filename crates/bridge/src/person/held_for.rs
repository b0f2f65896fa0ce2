//! What holds a counter, and what two persons say about it, as the operators' side has it.

use serde::{Deserialize, Serialize};

/// What holds a counter, and what is proposed about it.
#[derive(Debug, Deserialize)]
pub(super) struct HeldFor {
    pub(super) holds: Vec<CounterHold>,
    pub(super) version: String,
    pub(super) proposal: Option<Readmission>,
}

/// Something that holds a counter.
#[derive(Debug, Deserialize)]
pub(super) struct CounterHold {
    pub(super) why: String,
    pub(super) since: String,
}

/// That a counter gets new transfers again, as somebody has proposed it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Readmission {
    pub(super) id: String,
    pub(super) move_serials: bool,
    pub(super) who: String,
    pub(super) note: String,
    pub(super) until: String,
}

/// The same as it is proposed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProposingReadmission<'a> {
    pub(super) version: &'a str,
    pub(super) note: &'a str,
    pub(super) move_serials: bool,
}
