//! What keeps an account's requests on one connection while any of them is under way.

use domain::message::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the accounts are of which something is on its way, and how much.
// A lock, because every asker places requests and every connection ends them; it is held for one
// look at a table no larger than what is queued and in flight, and only where there are several
// connections to choose from.
#[derive(Debug, Default)]
pub(crate) struct Stays(Mutex<HashMap<AccountId, (usize, usize)>>);

/// One request's share in keeping its account where it is; ends with it.
#[derive(Debug)]
pub(crate) struct AccountAffinity {
    pub(crate) stays: Arc<Stays>,
    pub(crate) account: AccountId,
}

impl Stays {
    /// Where each account stays, and for how many requests.
    pub(crate) fn table(&self) -> MutexGuard<'_, HashMap<AccountId, (usize, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AccountAffinity {
    fn drop(&mut self) {
        let mut table = self.stays.table();
        if let Some((_, count)) = table.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.account);
            }
        }
    }
}
