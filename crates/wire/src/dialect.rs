//! The dialects: in which bytes a counter speaks. Each is a module of its own that implements `Format`; whoever
//! runs a bridge asks here for them, and only what tries or measures one names it. How to fit one more stands in
//! docs/peers/new-dialect.md.

pub use crate::xml::options::{Encoding, XmlOptions};

use crate::format::{Format, Parties};
use crate::frame::Prefix;
use crate::futures::Futures;
use crate::securities::Securities;
use domain::profile::AmountUnit;
use std::fmt;
use std::sync::Arc;

/// Which bytes a counter speaks, with all that differs between counters that speak them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Protobuf behind a 4-byte big-endian length.
    Securities,
    /// XML behind an 8-digit ASCII decimal length.
    Futures(XmlOptions),
}

/// A dialect by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speech {
    /// [`Dialect::Securities`].
    Securities,
    /// [`Dialect::Futures`].
    Futures,
}

/// What somebody wrote about a counter's dialect, as far as they wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// How text is encoded, in a dialect of XML.
    pub encoding: Option<Encoding>,
    /// How amounts are written, in a dialect of XML.
    pub amount_unit: Option<AmountUnit>,
    /// The counter's zone, in minutes east of UTC, −720 to 840.
    pub utc_offset_minutes: Option<i16>,
}

/// Which of [`Details`] is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// [`Details::encoding`].
    Encoding,
    /// [`Details::amount_unit`].
    AmountUnit,
    /// [`Details::utc_offset_minutes`].
    UtcOffsetMinutes,
}

/// The zone of a counter of which nothing else is said: China's.
const USUAL_OFFSET_MINUTES: i16 = 480;

impl Speech {
    /// All of them.
    pub const ALL: [Speech; 2] = [Speech::Securities, Speech::Futures];

    /// The name on every surface: configuration, command line, documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Speech::Securities => "securities",
            Speech::Futures => "futures",
        }
    }

    /// What it is, in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Speech::Securities => "Protobuf over TCP",
            Speech::Futures => "XML over TCP",
        }
    }

    /// Which details a counter of this dialect may differ in.
    pub const fn details(self) -> &'static [Detail] {
        match self {
            Speech::Securities => &[],
            Speech::Futures => &[Detail::Encoding, Detail::AmountUnit, Detail::UtcOffsetMinutes],
        }
    }

    /// The names of the dialects in which counters may differ so, for people.
    pub fn having(detail: Detail) -> String {
        let those = Speech::ALL.into_iter().filter(|speech| speech.details().contains(&detail));
        those.map(Speech::as_str).collect::<Vec<_>>().join(" or ")
    }

    /// The dialect with these details. Those that are none of its own count for nothing.
    #[must_use]
    pub fn with(self, details: Details) -> Dialect {
        match self {
            Speech::Securities => Dialect::Securities,
            Speech::Futures => Dialect::Futures(XmlOptions {
                encoding: details.encoding.unwrap_or_default(),
                amount_unit: details.amount_unit.unwrap_or(AmountUnit::Minor),
                utc_offset_minutes: details.utc_offset_minutes.unwrap_or(USUAL_OFFSET_MINUTES),
            }),
        }
    }
}

impl fmt::Display for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Dialect {
    /// Its name.
    pub const fn speech(&self) -> Speech {
        match self {
            Dialect::Securities => Speech::Securities,
            Dialect::Futures(_) => Speech::Futures,
        }
    }

    /// How amounts are written.
    pub const fn amount_unit(&self) -> AmountUnit {
        match self {
            Dialect::Securities => AmountUnit::Minor,
            Dialect::Futures(options) => options.amount_unit,
        }
    }

    /// The dialects that somebody may speak whose first byte is this one, for as long as nothing else is known
    /// of them: good for a sign-on, which has no amounts and whose time nothing is decided by.
    pub fn of_first_byte(byte: u8) -> Vec<Dialect> {
        let futures = |encoding| {
            let utc_offset_minutes = Some(0);
            Speech::Futures.with(Details {
                encoding: Some(encoding),
                utc_offset_minutes,
                ..Details::default()
            })
        };
        if Prefix::Digits.may_begin_with(byte) {
            vec![futures(Encoding::Utf8), futures(Encoding::Gb18030)]
        } else {
            vec![Dialect::Securities]
        }
    }

    /// Reads and writes it on one link.
    pub(crate) fn format(self, parties: Parties) -> Arc<dyn Format> {
        match self {
            Dialect::Securities => Arc::new(Securities),
            Dialect::Futures(options) => Arc::new(Futures { options, parties }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_details_make_a_dialect_and_a_dialect_has_its_name() {
        let details = Details {
            encoding: Some(Encoding::Gb18030),
            amount_unit: Some(AmountUnit::Major),
            utc_offset_minutes: Some(-300),
        };
        for speech in Speech::ALL {
            assert_eq!(speech.with(Details::default()).speech(), speech);
            assert_eq!(speech.with(details).speech(), speech);
            let differs = speech.with(details) != speech.with(Details::default());
            assert_eq!(differs, !speech.details().is_empty(), "{speech}");
        }
        assert_eq!(Speech::Futures.with(details).amount_unit(), AmountUnit::Major);
        assert_eq!(Speech::Securities.with(details).amount_unit(), AmountUnit::Minor);
        let Dialect::Futures(usual) = Speech::Futures.with(Details::default()) else {
            panic!("futures")
        };
        assert_eq!((usual.encoding, usual.utc_offset_minutes), (Encoding::Utf8, 480));
    }

    #[test]
    fn the_first_byte_of_a_length_tells_dialects_apart() {
        for byte in 0..=u8::MAX {
            let speeches =
                Dialect::of_first_byte(byte).iter().map(Dialect::speech).collect::<Vec<_>>();
            let expected = match byte {
                b'0'..=b'9' => vec![Speech::Futures, Speech::Futures],
                _ => vec![Speech::Securities],
            };
            assert_eq!(speeches, expected, "{byte}");
        }
    }
}
