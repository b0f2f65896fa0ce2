//! File descriptors: what a process may open is shared out before anything is opened, so that no
//! stranger's connection takes what links, the database or the operators need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;

/// The standard streams, the runtime's, the listeners, locks, and the files of keys and
/// certificates while they are read.
const OWN: usize = 20;
/// The record: the writer, the readers, what moves `SQLite`'s log into its file, and that log.
const DATABASE: usize = 20;
/// The fewest connections that a listener is any good with.
const FEWEST: usize = 8;

/// What is wanted, in descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    /// Connections of all links; each may be dialled anew while the former one is being closed.
    pub(crate) links: usize,
    /// Those at the counters' door who come from where counters do, or have proven who they are and
    /// wait to be let in.
    pub(crate) guests: usize,
    /// Those at the counters' door who have not proven who they are; 0 if there is no door.
    pub(crate) door: usize,
    /// Connections to the transfer API.
    pub(crate) api: usize,
    /// Connections to the operators' side.
    pub(crate) operators: usize,
}

/// What there is for those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) door: usize,
    pub(crate) api: usize,
    pub(crate) operators: usize,
}

/// A process that may not open enough to do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooFew {
    limit: usize,
    least: usize,
    links: usize,
}

impl std::error::Error for TooFew {}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooFew { limit, least, links } = self;
        write!(
            f,
            "this process may have {limit} files and sockets open, and the bridge needs {least} at \
             least: {OWN} of its own, {DATABASE} for the database, {links} for links, and {FEWEST} \
             for each of its listeners. Allow more, for example by LimitNOFILE= in the service's \
             unit or by `ulimit -n`; 65536 is plenty"
        )
    }
}

impl Wants {
    fn reserved(self) -> usize {
        OWN + DATABASE + self.of_links()
    }

    fn of_links(self) -> usize {
        2 * self.links + self.guests
    }

    /// All that is wanted.
    fn all(self) -> usize {
        self.reserved() + self.door + self.api + self.operators
    }

    /// Who gets how much of `limit`: links, database and the bridge itself all that they may need,
    /// operators and the acceptor up to an eighth of the rest each, the API what is left.
    pub(crate) fn share(self, limit: usize) -> Result<Shares, TooFew> {
        let fewest = |wanted: usize| wanted.min(FEWEST);
        let least = self.reserved() + fewest(self.door) + fewest(self.api) + fewest(self.operators);
        let rest = limit.saturating_sub(self.reserved());
        if limit < least {
            return Err(TooFew { limit, least, links: self.of_links() });
        }
        let part = |wanted: usize| wanted.min((rest / 8).max(FEWEST));
        let (door, operators) = (part(self.door), part(self.operators));
        Ok(Shares { door, operators, api: self.api.min(rest - door - operators) })
    }
}

/// Raises this process's limit as far as it is allowed and wanted, and shares it out.
pub(crate) fn reserve(wants: Wants) -> Result<Shares, TooFew> {
    let limit = raised(wants.all());
    let shares = wants.share(limit)?;
    let Shares { door, api, operators } = shares;
    if (door, api, operators) != (wants.door, wants.api, wants.operators) {
        tracing::warn!(
            limit,
            api,
            operators,
            door,
            "this process may open fewer files than its connections need: fewer are taken"
        );
    }
    Ok(shares)
}

/// How many files this process may open from now on.
fn raised(wanted: usize) -> usize {
    let number = |limit: Option<u64>| {
        limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
    };
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let target = wanted.min(number(maximum));
    if number(current) >= target {
        return number(current);
    }
    let raised = Rlimit { current: u64::try_from(target).ok(), maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => target,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            number(current)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTS: Wants = Wants { links: 2, guests: 0, door: 256, api: 4096, operators: 256 };

    #[test]
    fn whoever_may_open_enough_gets_all_that_was_asked_for() {
        let shares = WANTS.share(WANTS.all()).expect("enough");
        // The acceptor and the operators are small beside the API.
        assert_eq!(shares, Shares { door: 256, api: 4096, operators: 256 });
        assert_eq!(WANTS.share(usize::MAX), Ok(shares));
    }

    #[test]
    fn of_few_the_operators_keep_theirs_and_strangers_get_what_is_left() {
        let wants = Wants { door: 0, ..WANTS };
        assert_eq!(wants.share(64), Ok(Shares { door: 0, api: 12, operators: 8 }));
        assert_eq!(wants.share(1024), Ok(Shares { door: 0, api: 858, operators: 122 }));
        for limit in 60..6000 {
            let Shares { door, api, operators } = wants.share(limit).expect("enough");
            assert!(wants.reserved() + door + api + operators <= limit, "{limit}");
            assert!(api >= 8 && operators >= 8, "{limit}");
        }
    }

    #[test]
    fn too_few_are_refused_in_words() {
        let wants = Wants { door: 0, ..WANTS };
        assert!(wants.share(60).is_ok());
        let refused = wants.share(59).expect_err("too few");
        let words = refused.to_string();
        assert!(words.contains("may have 59 files") && words.contains("needs 60"), "{words}");
        assert!(WANTS.share(67).is_err(), "a door needs its own");
        let with_guests = Wants { guests: 12, ..wants };
        assert!(with_guests.share(71).is_err() && with_guests.share(72).is_ok());
        // One who asks for fewer needs fewer.
        let few = Wants { links: 0, guests: 0, door: 0, api: 2, operators: 1 };
        assert_eq!(few.share(43), Ok(Shares { door: 0, api: 2, operators: 1 }));
    }

    #[test]
    fn this_process_may_have_what_it_was_told() {
        let limit = raised(64);
        let now = getrlimit(Resource::Nofile).current;
        assert!(now.is_none_or(|now| now >= 64 || limit < 64));
    }
}
