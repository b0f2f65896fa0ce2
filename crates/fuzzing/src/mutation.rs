//! New inputs from old ones, by chance from one seed: bits are flipped, parts cut out, repeated or
//! put in from another input, and words of the corpus stand where they do not belong. No engine
//! that sees which code an input reaches; that is what cargo-fuzz is for.

use crate::Target;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;

/// At most so many changes make one new input.
const MOST_CHANGES: usize = 6;

/// Numbers at which something often ends.
const EDGES: [u8; 8] = [0, 1, b'\n', b'"', b'0', 0x7f, 0x80, 0xff];

/// See the module.
#[derive(Debug)]
pub struct Mutator<'c> {
    random: Xoshiro256PlusPlus,
    corpus: &'c [Vec<u8>],
    words: Vec<Vec<u8>>,
    target: Target,
}

impl<'c> Mutator<'c> {
    /// Changes what is in `corpus`, which must not be empty.
    pub fn new(target: Target, corpus: &'c [Vec<u8>], seed: u64) -> Mutator<'c> {
        let words: BTreeSet<&[u8]> = corpus.iter().flat_map(|input| words(input)).collect();
        let words = words.into_iter().map(<[u8]>::to_vec).collect();
        Mutator { random: Xoshiro256PlusPlus::seed_from_u64(seed), corpus, words, target }
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let mut bytes = self.any().to_vec();
        for _ in 0..self.random.random_range(1..=MOST_CHANGES) {
            self.change(&mut bytes);
        }
        bytes.truncate(self.target.longest);
        if self.random.random_bool(0.75) {
            (self.target.repair)(&mut bytes);
        }
        bytes
    }

    fn any(&mut self) -> &'c [u8] {
        &self.corpus[self.random.random_range(0..self.corpus.len())]
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.random.random_range(0..=bytes.len());
        let most = (bytes.len() - at).min(64);
        let part = at..at + self.random.random_range(0..=most);
        match self.random.random_range(0..8) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.random.random_range(0..8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = EDGES[self.random.random_range(0..EDGES.len())];
                }
            }
            2 => {
                bytes.drain(part);
            }
            3 => {
                let repeated = bytes[part].repeat(self.random.random_range(1..=4));
                bytes.splice(at..at, repeated);
            }
            4 => {
                let other = self.any();
                let from = self.random.random_range(0..=other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            5 | 6 if !self.words.is_empty() => {
                let word = self.words[self.random.random_range(0..self.words.len())].clone();
                let end = if self.random.random_bool(0.5) { at } else { part.end };
                bytes.splice(at..end, word);
            }
            _ => {
                let number = self.random.random_range(-2..=i64::MAX).to_string();
                let keep = self.random.random_range(1..=number.len());
                bytes.splice(part, number.into_bytes().into_iter().take(keep));
            }
        }
    }
}

/// Runs of letters, digits and what joins them.
fn words(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-@:.".contains(byte);
    input.split(move |byte| !is_word(byte)).filter(|word| (2..=40).contains(&word.len()))
}
