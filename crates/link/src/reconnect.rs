//! When and where to try again.

pub(crate) mod addresses;
pub(crate) mod backoff;
pub(crate) mod ended;
pub(crate) mod outage;
