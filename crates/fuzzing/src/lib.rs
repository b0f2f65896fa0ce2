//! What must hold of everything that reads bytes from outside, whatever the bytes: one function for
//! each, which panics when it does not. cargo-fuzz runs them under its own engine (`tests/fuzz/`), and a
//! test of every change replays the corpus and its mutations.
//!
//! Reading order: [`TARGETS`]; `decoding`, `conversing`, `signature` and `configuration` are the functions;
//! [`mutation`] makes new inputs of old ones.

#[allow(dead_code, unreachable_pub)]
#[path = "../../bridge/src/config/mod.rs"]
mod config;
mod configuration;
mod conversing;
mod decoding;
pub mod mutation;
mod signature;

pub use configuration::configuration;
pub use conversing::{
    accepting_futures, accepting_securities, conversing_futures, conversing_securities,
};
pub use decoding::{futures, securities};
pub use signature::signature;

/// Something that reads bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus under `tests/fuzz/corpus`.
    pub name: &'static str,
    /// Panics if what must hold does not.
    pub check: fn(&[u8]),
    /// The longest input, in bytes.
    pub longest: usize,
    /// How its frames are made whole again after a mutation; inputs without frames are left alone.
    pub repair: fn(&mut [u8]),
    /// How often a test of every change runs it: seconds in a debug build.
    pub executions: u32,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target {
        name: "securities",
        check: securities,
        longest: 4096,
        repair: decoding::repair_securities,
        executions: 300_000,
    },
    Target {
        name: "futures",
        check: futures,
        longest: 8192,
        repair: decoding::repair_futures,
        executions: 60_000,
    },
    Target {
        name: "conversing_securities",
        check: conversing_securities,
        longest: 4096,
        repair: |_| {},
        executions: 6_000,
    },
    Target {
        name: "conversing_futures",
        check: conversing_futures,
        longest: 8192,
        repair: |_| {},
        executions: 2_000,
    },
    Target {
        name: "accepting_securities",
        check: accepting_securities,
        longest: 4096,
        repair: |_| {},
        executions: 6_000,
    },
    Target {
        name: "accepting_futures",
        check: accepting_futures,
        longest: 8192,
        repair: |_| {},
        executions: 2_000,
    },
    Target {
        name: "signature",
        check: signature,
        longest: 2048,
        repair: |_| {},
        executions: 60_000,
    },
    Target {
        name: "configuration",
        check: configuration,
        longest: 4096,
        repair: |_| {},
        executions: 12_000,
    },
];
