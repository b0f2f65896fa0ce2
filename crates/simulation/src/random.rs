//! Chance that is the same for ever.

use rand::rngs::Xoshiro256PlusPlus;

/// Random numbers whose algorithm is fixed for ever by its name, so that a seed means the same
/// schedule after an upgrade.
pub type Random = Xoshiro256PlusPlus;
