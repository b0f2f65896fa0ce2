//! The decoder of the futures dialect: XML behind a length. The first byte chooses the encoding, the
//! unit of amounts and the zone.
#![no_main]

mod decoding;

use domain::profile::AmountUnit;
use libfuzzer_sys::fuzz_target;
use wire::codec::{Dialect, Encoding, FuturesOptions};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let options = FuturesOptions {
        encoding: if first & 1 == 0 { Encoding::Utf8 } else { Encoding::Gb18030 },
        amount_unit: if first & 2 == 0 { AmountUnit::Minor } else { AmountUnit::Major },
        utc_offset_minutes: if first & 4 == 0 { 0 } else { 480 },
    };
    decoding::all(Dialect::Futures(options), rest);
});
