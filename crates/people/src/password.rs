//! Passwords: whether one is good enough, how it is kept, and whether what was typed is it.
//!
//! Nobody has to mix letters and digits: what counts is how many guesses it takes (NIST SP 800-63B, 5.1.1; zxcvbn).
//! A password is kept as argon2id in PHC's notation, which names its own parameters. To hash takes some 20 ms and
//! 19 MiB: the caller bounds how many do so at once.

use crate::name::OperatorName;
use crate::secret::fill_at_random;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use zxcvbn::{Score, zxcvbn};

/// Memory to hash in, KiB: with two passes and one lane the least of the choices that OWASP's "Password Storage
/// Cheat Sheet" counts as equally strong, so that few sign-ins at once do not take the memory of the transfers.
pub const MEMORY_KIB: u32 = 19 * 1024;

/// Passes over that memory. Whoever raises one of these makes hashes anew as their owners sign in: until then what
/// is kept is cheaper to try than [`PasswordHash::of_nobody`], and time tells who is there.
pub const PASSES: u32 = 2;

/// Lanes that may be computed at once: one, for a sign-in has no more than a core to itself.
pub const LANES: u32 = 1;

/// The fewest characters of a password.
pub const FEWEST_CHARACTERS: usize = 12;

/// The longest password, in bytes. Whatever is longer is refused before anything is computed of it.
pub const LONGEST: usize = 128;

/// Characters that are judged, from the first on: what follows makes a password no easier to guess. The judge takes
/// far longer the longer a text is, and its numbers overflow from 29 characters on that lie beside each other on a
/// keypad (zxcvbn 3.1.1).
const JUDGED: usize = 24;

/// What is known to everybody who guesses at a password of this system.
const KNOWN: [&str; 3] = ["counter-bridge", "counter", "bridge"];

/// Bytes of a salt (RFC 9106, 3.1).
const SALT: usize = 16;

/// A hash of our own is made with less than these; one that asks for more is a damaged row, and is not allowed to
/// take the memory or the time that it asks for.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

/// A password that is good enough. It is wiped when it is dropped.
pub struct Password(SecretString);

/// Why a password is not good enough, and what to do. Says nothing of the password itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// It has so many characters, fewer than twelve.
    #[error(
        "a password has at least {FEWEST_CHARACTERS} characters, not {0}: take four or five words that do not \
         belong together"
    )]
    TooShort(usize),
    /// It has so many bytes, more than 128.
    #[error("a password has at most {LONGEST} bytes, not {0}: leave something out")]
    TooLong(usize),
    /// Its first 24 characters would be found among the first 10⁸ guesses.
    #[error(
        "that password is easy to guess: take four or five words that do not belong together{}{advice}",
        if .advice.is_empty() { "" } else { ". " }
    )]
    Guessable {
        /// Why, and what else would help, in words; empty if nothing is known.
        advice: String,
    },
}

impl Password {
    /// The password that somebody of this name has chosen, if it is good enough. `known` is what else is known of
    /// the person or the place, and therefore no good in a password. Of the text, nothing is left out and nothing
    /// changed: not even a blank at its end.
    pub fn chosen(text: &str, name: &OperatorName, known: &[&str]) -> Result<Password, Weak> {
        // Before anything that takes longer the longer the text is.
        if text.len() > LONGEST {
            return Err(Weak::TooLong(text.len()));
        }
        let characters = text.chars().count();
        if characters < FEWEST_CHARACTERS {
            return Err(Weak::TooShort(characters));
        }
        let name = name.as_str();
        let known: Vec<&str> = KNOWN
            .into_iter()
            .chain([name])
            .chain(name.split(['.', '_', '-']))
            .chain(known.iter().copied())
            .collect();
        let end = text.char_indices().nth(JUDGED).map_or(text.len(), |(end, _)| end);
        let found = zxcvbn(&text[..end], &known);
        if found.score() < Score::Three {
            let advice = found.feedback().map(ToString::to_string).unwrap_or_default();
            return Err(Weak::Guessable { advice: advice.trim().to_owned() });
        }
        Ok(Password(text.into()))
    }

    /// What is kept of it: argon2id with a salt of its own, from the operating system's randomness. A process that
    /// cannot have the memory for it panics, as for any other memory.
    pub fn hash(&self) -> PasswordHash {
        let mut salt = [0; SALT];
        fill_at_random(&mut salt);
        let hashed =
            Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(Into::into).and_then(|it| {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, it);
                argon2.hash_password_with_salt(self.0.expose_secret().as_bytes(), &salt)
            });
        match hashed {
            Ok(parsed) => PasswordHash { text: parsed.to_string().into(), parsed },
            Err(error) => panic!("argon2 with these parameters: {error}"),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What is kept of a password. `Debug` does not show it: it can be guessed at.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Box<str>,
    parsed: phc::PasswordHash,
}

/// A text that is no hash of a password. Does not quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a password's hash: argon2id, version 19, with salt and hash, in PHC's notation")]
pub struct NotAHash;

impl PasswordHash {
    /// Reads what [`PasswordHash::as_str`] wrote, with whatever parameters up to 256 MiB, 16 passes and 16 lanes.
    pub fn parse(text: &str) -> Result<PasswordHash, NotAHash> {
        let parsed = phc::PasswordHash::new(text).map_err(|_| NotAHash)?;
        let params = Params::try_from(&parsed).map_err(|_| NotAHash)?;
        let is_good = parsed.algorithm.as_str() == "argon2id"
            && parsed.version == Some(Version::V0x13.into())
            && parsed.salt.is_some()
            && parsed.hash.is_some()
            && params.m_cost() <= MOST_MEMORY_KIB
            && params.t_cost() <= MOST_PASSES
            && params.p_cost() <= MOST_LANES;
        is_good.then(|| PasswordHash { text: text.into(), parsed }).ok_or(NotAHash)
    }

    /// The hash of nobody's password, which nothing verifies against and which takes as long to try: for a name
    /// that no operator has, so that the time that a refusal takes does not tell whether there is one.
    pub fn of_nobody() -> PasswordHash {
        // What was hashed to this nobody knows: it is no hash at all, but bytes that were drawn.
        let text = format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$QnV0IG5vYm9keSBpcyBpbg\
             $m5eznZ3w2eSTwwSEcdFK38wj9v5UMIRbAAU2J4SriKo"
        );
        PasswordHash::parse(&text).unwrap_or_else(|_| unreachable!("it is of that form"))
    }

    /// The hash in PHC's notation, which is what is stored; at most some 200 bytes of ASCII.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether that is the password. Whatever is longer than any password is not, at once.
    pub fn verify(&self, tried: &str) -> bool {
        tried.len() <= LONGEST
            && Argon2::default().verify_password(tried.as_bytes(), &self.parsed).is_ok()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "kettle orbit, sandal and 4 plums";

    fn anna() -> OperatorName {
        "anna.lindqvist".parse().expect("a name")
    }

    fn chosen(text: &str) -> Result<Password, Weak> {
        Password::chosen(text, &anna(), &[])
    }

    /// Cheap, so that a test of what is read does not take as long as a hash should.
    fn cheap(parameters: &str) -> String {
        format!(
            "$argon2id$v=19${parameters}$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        )
    }

    #[test]
    fn a_password_is_known_again_by_its_hash_and_no_other_is() {
        let password = chosen(GOOD).expect("a good one");
        let hash = password.hash();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        let read = PasswordHash::parse(hash.as_str()).expect("a hash");
        assert!(read.verify(GOOD));
        assert!(!read.verify(&GOOD.to_uppercase()));
        assert!(!read.verify(&format!("{GOOD} ")), "nothing is cut off");
        assert_ne!(password.hash(), hash, "the salt is another each time");
    }

    #[test]
    fn of_nobody_there_is_a_hash_that_costs_the_same_and_lets_nobody_in() {
        let (nobody, somebody) = (PasswordHash::of_nobody(), chosen(GOOD).expect("good").hash());
        let cost = |hash: &PasswordHash| {
            let parsed = hash.parsed.clone();
            let salt = parsed.salt.expect("a salt").len();
            let length = parsed.hash.expect("a hash").len();
            (parsed.algorithm, parsed.version, parsed.params, salt, length)
        };
        assert_eq!(cost(&nobody), cost(&somebody));
        for tried in ["", GOOD] {
            assert!(!nobody.verify(tried));
        }
    }

    #[test]
    fn a_password_has_twelve_characters_and_at_most_128_bytes() {
        assert_eq!(chosen("x9#kQ!v2Lp@").err(), Some(Weak::TooShort(11)));
        assert!(chosen("x9#kQ!v2Lp@w").is_ok());
        // Characters count, not bytes.
        assert_eq!(chosen("äöüÄÖÜßéèêå").err(), Some(Weak::TooShort(11)));
        assert_eq!(chosen("").err(), Some(Weak::TooShort(0)));
        let long = format!("{GOOD}{}", "7k#Qz!".repeat(16));
        assert_eq!((long.len(), chosen(&long).is_ok()), (128, true));
        assert_eq!(chosen(&format!("{long}x")).err(), Some(Weak::TooLong(129)));
    }

    #[test]
    fn what_is_guessed_at_once_is_refused() {
        for text in [
            "password1234",
            "aaaaaaaaaaaaaaaa",
            "qwertyuiop[]",
            "abcdefghijklmnop",
            "123456789012",
            "P@ssw0rd2026!",
            "counter-bridge",
            "counterbridge",
            "bridgebridge1",
            "Counter-Bridge1",
            "anna.lindqvist",
            "lindqvist2026",
            "Lindqvist1987",
        ] {
            let Err(Weak::Guessable { .. }) = chosen(text) else { panic!("{text} is taken") };
        }
        for text in [GOOD, "correct horse battery staple", "余额不足清算日柜台流水号冲正"]
        {
            assert!(chosen(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_long_password_is_judged_by_its_first_24_characters() {
        let good = &GOOD[..14];
        assert!(chosen(&format!("{}{good}", "a".repeat(10))).is_ok());
        let Err(Weak::Guessable { .. }) = chosen(&format!("{}{good}", "a".repeat(24))) else {
            panic!("taken for what follows")
        };
        // All of it would be more than the judge can count.
        for walk in ["14789632", "(/*-+963", "qwedsazx"] {
            assert!(chosen(&walk.repeat(16)).is_err(), "{walk}");
        }
        let longest = "o".repeat(32).parse().expect("a name");
        assert!(Password::chosen(&"0Oo".repeat(40), &longest, &[&"o".repeat(128)]).is_err());
    }

    #[test]
    fn what_is_known_of_a_place_is_no_good_in_a_password() {
        assert!(Password::chosen("zyxommakvarnholm", &anna(), &[]).is_ok());
        let known = ["Zyxomma", "kvarnholm"];
        assert!(Password::chosen("zyxommakvarnholm", &anna(), &known).is_err());
        let just_enough = Password::chosen("zyxomma1kvarnholm", &anna(), &known);
        assert!(just_enough.is_ok(), "some 10⁸ guesses");
    }

    #[test]
    fn a_refusal_says_what_to_do_and_nothing_of_the_password() {
        for (text, words) in [
            ("zebra", "at least 12 characters, not 5: take four or five words"),
            ("zebrazebrazebra", "easy to guess: take four or five words"),
            (&"zebra".repeat(26), "at most 128 bytes, not 130: leave something out"),
        ] {
            let told = chosen(text).expect_err("weak").to_string();
            assert!(told.contains(words), "{told}");
            assert!(!told.contains("zebra"), "{told}");
        }
    }

    #[test]
    fn what_is_longer_than_any_password_is_false_at_once() {
        let argon2 = Argon2::from(Params::new(8, 1, 1, None).expect("parameters"));
        let verify = |text: &str| {
            let hash = argon2.hash_password_with_salt(text.as_bytes(), b"saltsaltsalt");
            let hash = PasswordHash::parse(&hash.expect("a hash").to_string()).expect("a hash");
            hash.verify(text)
        };
        assert!(verify(&"a".repeat(128)));
        assert!(!verify(&"a".repeat(129)), "even if it were the one that was hashed");
    }

    #[test]
    fn a_hash_that_would_take_too_much_is_not_read() {
        for good in ["m=8,t=1,p=1", "m=262144,t=1,p=1", "m=256,t=16,p=16"] {
            assert!(PasswordHash::parse(&cheap(good)).is_ok(), "{good}");
        }
        for bad in
            ["m=262145,t=1,p=1", "m=256,t=17,p=1", "m=256,t=1,p=17", "m=7,t=1,p=1", "m=8,t=0,p=1"]
        {
            assert_eq!(PasswordHash::parse(&cheap(bad)), Err(NotAHash), "{bad}");
        }
    }

    #[test]
    fn only_argon2id_is_read_and_all_of_it() {
        let good = cheap("m=8,t=1,p=1");
        let bad = [
            String::new(),
            "$".into(),
            good.replace("argon2id", "argon2i"),
            good.replace("argon2id", "argon2d"),
            good.replace("argon2id", "scrypt"),
            good.replace("v=19", "v=16"),
            good.replace("$v=19", ""),
            good.replace("t=1", "t=1,x=1"),
            good[..good.rfind('$').expect("one")].to_owned(),
            format!("{good}$x"),
            format!("{good}="),
            format!("{good}\n"),
            good[1..].to_owned(),
        ];
        for text in bad {
            assert_eq!(PasswordHash::parse(&text), Err(NotAHash), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_neither_a_password_nor_its_hash() {
        let password = chosen(GOOD).expect("a good one");
        assert_eq!(format!("{password:?}"), "Password(..)");
        assert_eq!(format!("{:?}", PasswordHash::of_nobody()), "PasswordHash(..)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_typed_is_judged_and_what_is_good_is_neither_short_nor_long(
            text in ".{0,140}|[ab]{90,128}|(abc1?){20,32}"
        ) {
            match chosen(&text) {
                Ok(_) => prop_assert!(text.chars().count() >= 12 && text.len() <= 128),
                Err(weak) => prop_assert!(!weak.to_string().is_empty()),
            }
        }

        #[test]
        fn garbage_is_no_hash(
            text in ".{0,120}|\\$argon2id\\$v=19\\$m=[0-9]{1,12}(,t=[0-9]{1,12}(\\$[A-Za-z0-9+/]{0,60}){0,3})?"
        ) {
            if let Ok(hash) = PasswordHash::parse(&text) {
                prop_assert_eq!(hash.as_str(), text);
            }
        }
    }
}
