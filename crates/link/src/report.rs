//! Where a link stands, for everybody who watches.

pub(crate) mod connection_status;
pub(crate) mod status_aggregate;
