//! What differs between counters that speak XML.

use domain::profile::AmountUnit;

/// What differs between counters that speak XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlOptions {
    /// How text is encoded.
    pub encoding: Encoding,
    /// How amounts are written.
    pub amount_unit: AmountUnit,
    /// The counter's zone, in minutes east of UTC, for the times on the wire; −720 to 840.
    pub utc_offset_minutes: i16,
}

/// How an XML packet's text is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// GB18030, the Chinese national standard.
    Gb18030,
}
