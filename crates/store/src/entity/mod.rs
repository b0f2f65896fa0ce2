//! The tables, as SeaORM sees them. Nothing outside this crate does.

pub(crate) mod account_entry;
pub(crate) mod account_portion;
pub(crate) mod alarm;
pub(crate) mod counter_hold;
pub(crate) mod decision;
pub(crate) mod open_transfer;
pub(crate) mod operator;
pub(crate) mod operator_act;
pub(crate) mod operator_hold;
pub(crate) mod operator_recovery;
pub(crate) mod operator_secret;
pub(crate) mod operator_session;
pub(crate) mod operator_token;
pub(crate) mod outcome;
pub(crate) mod readmission;
pub(crate) mod saved_view;
pub(crate) mod serial_lease;
pub(crate) mod serial_lift;
pub(crate) mod trail;
pub(crate) mod transfer;
