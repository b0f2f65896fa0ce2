//! Money: a positive integer count of minor units (fen, cents) and a currency. Never a float.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An amount that a transfer moves: `1..=999_999_999_999` minor units, the twelve digits that the
/// XML dialect gives an amount (source 001).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Amount(i64);

impl Amount {
    /// The largest amount that twelve digits can say.
    pub const MAX: Amount = Amount(999_999_999_999);

    /// An amount of `minor` units; zero, negative and over-long values are errors.
    pub fn new(minor: i64) -> Result<Amount, MoneyError> {
        if minor < 1 {
            return Err(MoneyError::NotPositive(minor));
        }
        if minor > Self::MAX.0 {
            return Err(MoneyError::TooLarge(minor));
        }
        Ok(Amount(minor))
    }

    /// The count of minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Amount {
    type Error = MoneyError;
    fn try_from(minor: i64) -> Result<Self, MoneyError> {
        Amount::new(minor)
    }
}

impl From<Amount> for i64 {
    fn from(amount: Amount) -> i64 {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An ISO 4217 alphabetic currency code: three upper-case ASCII letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Renminbi, the currency of every example.
    pub const CNY: Currency = Currency(*b"CNY");

    /// The code as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII letters are ever stored.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Currency(code)),
            _ => Err(MoneyError::NotACurrency(text.chars().take(16).collect())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a number or a code is not money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// An amount of zero or below, in minor units.
    #[error("must be at least 1 minor unit, not {0}")]
    NotPositive(i64),
    /// An amount of more than twelve digits, in minor units.
    #[error("must be at most 999999999999 minor units")]
    TooLarge(i64),
    /// A currency that is not three upper-case ASCII letters, as it was given.
    #[error("must be three upper-case letters (ISO 4217), not {0:?}")]
    NotACurrency(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_hold_one_to_twelve_digits() {
        assert_eq!(Amount::new(0), Err(MoneyError::NotPositive(0)));
        assert_eq!(Amount::new(-1), Err(MoneyError::NotPositive(-1)));
        assert_eq!(Amount::new(1).map(Amount::minor), Ok(1));
        assert_eq!(Amount::new(999_999_999_999), Ok(Amount::MAX));
        assert_eq!(Amount::new(1_000_000_000_000), Err(MoneyError::TooLarge(1_000_000_000_000)));
    }

    #[test]
    fn currencies_are_three_capitals() {
        assert_eq!("CNY".parse(), Ok(Currency::CNY));
        for bad in ["", "CN", "cny", "CNYX", "C1Y", "人民"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad:?}");
        }
    }
}
