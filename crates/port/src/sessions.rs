//! Since when a counter's conversations go on: what was sent before is over.

use tokio::time::Instant;

/// When the newest sessions of all connections of one counter began, open or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The first of them: every connection has had a session that is no older.
    pub oldest: Instant,
    /// The last of them: until then something may have been taken from an earlier session.
    pub youngest: Instant,
}

impl Sessions {
    /// Those of all connections; `None` until each has had one.
    pub fn of(newest: impl Iterator<Item = Option<Instant>>) -> Option<Sessions> {
        newest.fold(None, |all: Option<Option<Sessions>>, began| {
            let one = began.map(Sessions::at);
            Some(match all {
                None => one,
                Some(all) => all.zip(one).map(|(all, one)| Sessions {
                    oldest: all.oldest.min(one.oldest),
                    youngest: all.youngest.max(one.youngest),
                }),
            })
        })?
    }

    /// Where there is but one connection.
    pub fn at(began: Instant) -> Sessions {
        Sessions { oldest: began, youngest: began }
    }
}
