//! How often somebody may try to sign in. Failures are counted by name and by where they come from; after a few,
//! each makes the next attempt wait, longer every time. Pure: times are microseconds since 1970 UTC and are inputs.
//!
//! - An attempt counts as a failure from its beginning: a thousand at once gain nothing, and one of which nothing
//!   more is heard was one. Only what succeeds is taken back.
//! - Who succeeds clears what is counted of his own name. Of his address he takes back no more than his own attempt:
//!   one who has an account cannot sign in now and then to go on guessing at another's.
//! - An attempt that has to wait is not made, and not counted: waiting is never made longer by those who push.
//! - **The operator himself gets in while his name is flooded**: from a browser in which he has signed in before
//!   ([`crate::device`]) attempts are counted by that browser alone, neither by name nor by address.
//! - Memory is bounded. What is counted of one who need not wait any more makes room, that of the longest ago first.
//!   What somebody waits by is never forgotten for others' sake: if there is nothing else, newcomers wait.
//!
//! Reading order: [`Limits`], [`Attempts`]; `book` counts by one kind of key, `passing` is a time that only passes.

mod book;
mod passing;

use crate::device::DeviceOf;
use book::{Book, Charge};
use passing::Passing;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// One second, in microseconds.
const SECOND: i64 = 1_000_000;

/// How much is let through. What is counted by one name, address or browser has these limits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Failures after which nobody waits yet.
    pub free: u32,
    /// How long the next one makes wait, in microseconds; each after it twice as long.
    pub first_pause: i64,
    /// The longest wait, in microseconds.
    pub longest_pause: i64,
    /// After so long without a failure, in microseconds, all of them are forgotten. Longer than the longest wait.
    pub forgotten_after: i64,
    /// Names, addresses and browsers that are remembered, so many of each; some 100 bytes for each one.
    pub entries: usize,
}

/// Five failures, then 1 s, 2 s, 4 s … up to five minutes, for an hour: an operator who has forgotten which password
/// it was hardly notices, and of a password that takes 10⁸ guesses nobody tries a thousand in a day.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            free: 5,
            first_pause: SECOND,
            longest_pause: 300 * SECOND,
            forgotten_after: 3600 * SECOND,
            entries: 65_536,
        }
    }
}

impl Limits {
    /// How long so many failures make wait.
    fn pause(&self, failures: u32) -> i64 {
        match failures.saturating_sub(self.free) {
            0 => 0,
            beyond => {
                let times = 2_i64.saturating_pow(beyond - 1);
                self.first_pause.saturating_mul(times).min(self.longest_pause)
            }
        }
    }
}

/// An attempt may not be made yet. It does not say by what it was counted, so that nobody learns from it whether
/// there is an operator of that name, or who else signs in from where he is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts: try again in {} s", self.seconds())]
pub struct Wait {
    micros: i64,
}

impl Wait {
    /// How long, in microseconds: at least 1, at most the longest wait of the limits.
    pub const fn micros(self) -> i64 {
        self.micros
    }

    /// How long, in whole seconds rounded up, as in `Retry-After`.
    pub const fn seconds(self) -> i64 {
        self.micros.saturating_add(SECOND - 1) / SECOND
    }
}

/// An attempt that was let through. Whoever lets it go without a word has let it fail.
#[derive(Debug)]
#[must_use = "an attempt of which nothing is said counts as a failure"]
pub struct Attempt(Counted);

/// By what an attempt is counted.
#[derive(Debug)]
enum Counted {
    ByDevice(Charge<Device>),
    ByNameAndAddress(Charge<Name>, Charge<Network>),
}

/// All that is counted. Three kinds of keys, each with a bound of its own: no flood of one makes another forgotten.
#[derive(Debug)]
pub struct Attempts {
    time: Passing,
    names: Book<Name>,
    addresses: Book<Network>,
    devices: Book<Device>,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts::new(Limits::default())
    }
}

impl Attempts {
    /// Nobody has tried yet.
    pub fn new(limits: Limits) -> Attempts {
        Attempts {
            time: Passing::default(),
            names: Book::new(limits),
            addresses: Book::new(limits),
            devices: Book::new(limits),
        }
    }

    /// Somebody wants to try: before a password, a code or a recovery code is looked at. `name` is as it was typed,
    /// if need be in the letters in which it is looked up; it need not be anybody's, and need not be a name.
    /// `device` is what a cookie said that the browser brought along; one of another operator's browser is nothing.
    pub fn begin(
        &mut self,
        name: &str,
        address: IpAddr,
        device: Option<&DeviceOf>,
        now: i64,
    ) -> Result<Attempt, Wait> {
        let now = self.time.at(now);
        let who = Name::from(name);
        let own = device.filter(|device| device.name().as_str() == name);
        let counted = if let Some(device) = own {
            let key = Device { nonce: device.nonce(), of: who };
            let_through(self.devices.wait(&key, now))?;
            Counted::ByDevice(self.devices.charge(key, now))
        } else {
            let from = Network::from(address);
            // Neither is charged unless both let it through.
            let_through(self.names.wait(&who, now).max(self.addresses.wait(&from, now)))?;
            let address = self.addresses.charge(from, now);
            Counted::ByNameAndAddress(self.names.charge(who, now), address)
        };
        Ok(Attempt(counted))
    }

    /// It failed: whatever was wrong. The wait begins now.
    pub fn failed(&mut self, attempt: Attempt, now: i64) {
        let now = self.time.at(now);
        match attempt.0 {
            Counted::ByDevice(device) => self.devices.failed(&device, now),
            Counted::ByNameAndAddress(name, address) => {
                self.names.failed(&name, now);
                self.addresses.failed(&address, now);
            }
        }
    }

    /// Nothing was found out about what was shown: it is as if nobody had tried.
    pub fn withdrawn(&mut self, attempt: Attempt) {
        match attempt.0 {
            Counted::ByDevice(device) => self.devices.take_back(&device),
            Counted::ByNameAndAddress(name, address) => {
                self.names.take_back(&name);
                self.addresses.take_back(&address);
            }
        }
    }

    /// Somebody signed in by it: the name, the password and the code were right.
    pub fn succeeded(&mut self, attempt: Attempt) {
        match attempt.0 {
            Counted::ByDevice(device) => self.devices.forget(&device),
            Counted::ByNameAndAddress(name, address) => {
                self.names.forget(&name);
                self.addresses.take_back(&address);
            }
        }
    }
}

fn let_through(wait: i64) -> Result<(), Wait> {
    if wait > 0 { Err(Wait { micros: wait }) } else { Ok(()) }
}

/// A name that was tried, whatever it is and however long: half a SHA-256, so that each takes the same memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name([u8; 16]);

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        let mut half = [0; 16];
        half.copy_from_slice(&Sha256::digest(text)[..16]);
        Name(half)
    }
}

/// Where an attempt comes from: an IPv4 address, or the 64 bits of an IPv6 address that one customer of a network
/// has to himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Network {
    Address([u8; 4]),
    Customer([u16; 4]),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Network {
        // An IPv4 address in the form of IPv6 is what it is, or all of them would be one customer's.
        match address.to_canonical() {
            // Whoever is on the machine has all of them.
            IpAddr::V4(address) if address.is_loopback() => Network::Address([127, 0, 0, 1]),
            IpAddr::V4(address) => Network::Address(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Network::Customer([a, b, c, d])
            }
        }
    }
}

/// A browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Device {
    nonce: [u8; 16],
    of: Name,
}

#[cfg(test)]
mod tests;
