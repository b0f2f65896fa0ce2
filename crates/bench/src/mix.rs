//! Which share of transfers is to end how.

use rand::{Rng, RngExt};
use std::str::FromStr;

/// How a transfer is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Completed,
    Refused,
    Reversed,
}

impl Ending {
    /// The state that the bridge answers.
    pub(crate) const fn state(self) -> &'static str {
        match self {
            Ending::Completed => "completed",
            Ending::Refused => "refused",
            Ending::Reversed => "reversed",
        }
    }
}

/// Shares in percent; what is left of a hundred is to be completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mix {
    refused: u32,
    reversed: u32,
}

impl Mix {
    /// The ending of the next transfer.
    pub(crate) fn draw(self, rng: &mut impl Rng) -> Ending {
        if self == Mix::default() {
            return Ending::Completed;
        }
        let drawn = rng.random_range(0..100);
        if drawn < self.refused {
            Ending::Refused
        } else if drawn < self.refused + self.reversed {
            Ending::Reversed
        } else {
            Ending::Completed
        }
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Mix, String> {
        let mut mix = Mix::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (ending, percent) =
                part.split_once('=').ok_or("write refused=PERCENT,reversed=PERCENT")?;
            let percent =
                percent.trim().parse().map_err(|_| format!("{percent:?} is no percent"))?;
            match ending.trim() {
                "refused" => mix.refused = percent,
                "reversed" => mix.reversed = percent,
                other => return Err(format!("there is no share of {other:?}")),
            }
        }
        match mix.refused.checked_add(mix.reversed) {
            Some(0..=100) => Ok(mix),
            Some(_) | None => Err("the shares add up to more than 100 percent".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn shares_are_kept() {
        let mix: Mix = "refused=20,reversed=30".parse().expect("a mix");
        let mut rng = SmallRng::seed_from_u64(7);
        let mut counts = [0_u32; 3];
        for _ in 0..10_000 {
            counts[match mix.draw(&mut rng) {
                Ending::Completed => 0,
                Ending::Refused => 1,
                Ending::Reversed => 2,
            }] += 1;
        }
        assert!((4800..5200).contains(&counts[0]), "{counts:?}");
        assert!((1850..2150).contains(&counts[1]), "{counts:?}");
        assert!((2850..3150).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn nothing_said_is_all_completed() {
        assert_eq!("".parse(), Ok(Mix::default()));
        assert_eq!("refused=100".parse(), Ok(Mix { refused: 100, reversed: 0 }));
    }
}
