//! The second factor: six digits that an authenticator on a telephone shows anew every thirty seconds (RFC 6238 with
//! SHA-1, six digits and 30 s, which is what every such program does, whatever its settings say).
//!
//! A code is good once: whoever looks over a shoulder is too late. The caller records the step of the last code that
//! was good and gives it back; should the clock have been ahead then, codes are refused until it has caught up, and
//! a recovery code helps.

use crate::name::OperatorName;
use crate::secret::{SecretBytes, keyed};
use data_encoding::BASE32_NOPAD;
use hmac::Mac;
use sha1::Sha1;
use std::fmt::{self, Write};
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// How long a code is shown, in microseconds.
const STEP: i64 = 30_000_000;

/// Digits of a code.
const DIGITS: usize = 6;

/// By how many steps a telephone's clock, or a slow typist, may be off either way (RFC 6238, 5.2).
const OFF: i64 = 1;

/// The secret that a telephone shares with the bridge: 160 bits, as long as the hash is (RFC 4226, 4).
pub struct TotpSecret(SecretBytes<20>);

/// A text that is no such secret. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 32 characters of base32")]
pub struct NotATotpSecret;

impl TotpSecret {
    /// A new one, from the operating system's randomness.
    pub fn random() -> TotpSecret {
        TotpSecret(SecretBytes::random())
    }

    /// The secret as people type it where no picture can be taken: 32 characters of base32 (RFC 4648) without
    /// padding.
    pub fn text(&self) -> String {
        BASE32_NOPAD.encode(self.0.expose())
    }

    /// What an authenticator reads from a picture: an `otpauth` URI with the secret in it, of this operator at
    /// this issuer. A colon parts the two, so one within the issuer becomes a blank.
    pub fn uri(&self, issuer: &str, name: &OperatorName) -> String {
        let issuer = percent_encoded(&issuer.replace(':', " "));
        let name = percent_encoded(name.as_str());
        let secret = self.text();
        format!(
            "otpauth://totp/{issuer}:{name}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
        )
    }

    /// The six digits that are shown at that time, in microseconds since 1970 UTC: what an authenticator does.
    pub fn code(&self, now_micros: i64) -> String {
        self.code_of(step_at(now_micros)).iter().copied().map(char::from).collect()
    }

    /// The step that this code is of, counted in thirty seconds since 1970 UTC, if it is good now: of this step or
    /// of one beside it, and of none up to `last_step`, the step of the last code that was good. Blanks in a code
    /// do not count.
    pub fn verify(&self, code: &str, now_micros: i64, last_step: Option<i64>) -> Option<i64> {
        let tried = digits(code)?;
        let now = step_at(now_micros);
        // Two steps may have the same code: it is taken for the later one, so that it is good once all the same.
        // All are compared, so that the time taken does not tell which it was.
        let mut good = None;
        for step in now - OFF..=now + OFF {
            let is_same = bool::from(self.code_of(step).ct_eq(&tried));
            if is_same && last_step.is_none_or(|last| step > last) {
                good = Some(step);
            }
        }
        good
    }

    /// RFC 4226, 5.3: four bytes from where the last half byte says, without their first bit.
    fn code_of(&self, step: i64) -> [u8; DIGITS] {
        let mut mac = keyed::<Sha1>(self.0.expose());
        mac.update(&step.to_be_bytes());
        let mac: [u8; 20] = mac.finalize().into_bytes().into();
        let from = usize::from(mac[19] & 0xf);
        let number = [mac[from], mac[from + 1], mac[from + 2], mac[from + 3]];
        let mut left = u32::from_be_bytes(number) & 0x7fff_ffff;
        let mut code = [b'0'; DIGITS];
        for place in code.iter_mut().rev() {
            *place = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
        }
        code
    }
}

impl FromStr for TotpSecret {
    type Err = NotATotpSecret;
    fn from_str(text: &str) -> Result<TotpSecret, NotATotpSecret> {
        SecretBytes::read(&BASE32_NOPAD, text).map(TotpSecret).ok_or(NotATotpSecret)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TotpSecret({:?})", self.0)
    }
}

fn step_at(micros: i64) -> i64 {
    micros.div_euclid(STEP)
}

/// The digits of a code, if it is six of them and blanks.
fn digits(code: &str) -> Option<[u8; DIGITS]> {
    let mut digits = [0; DIGITS];
    let mut length = 0;
    for digit in code.bytes().filter(|byte| *byte != b' ') {
        *digits.get_mut(length)? = digit.is_ascii_digit().then_some(digit)?;
        length += 1;
    }
    (length == DIGITS).then_some(digits)
}

/// RFC 3986: all but what needs no escape anywhere.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => {
                // To write to a text cannot fail.
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    /// The secret of RFC 6238, appendix B.
    fn secret() -> TotpSecret {
        TotpSecret(SecretBytes::from(*b"12345678901234567890"))
    }

    /// The last six digits of the eight in RFC 6238, appendix B, in the mode of SHA-1.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().code(seconds * SECOND), code);
            let step = secret().verify(code, seconds * SECOND, None);
            assert_eq!(step, Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_for_one_step_before_and_after_its_own() {
        let (step, secret) = (41_152_263, secret());
        let begins = step * STEP;
        let code = secret.code(begins);
        let at = |micros| secret.verify(&code, micros, None);
        assert_eq!(at(begins - STEP - 1), None);
        for micros in [begins - STEP, begins, begins + STEP - 1, begins + 2 * STEP - 1] {
            assert_eq!(at(micros), Some(step));
        }
        assert_eq!(at(begins + 2 * STEP), None);
    }

    #[test]
    fn a_code_is_good_once_and_none_before_it_afterwards() {
        let (now, secret) = (1_234_567_890 * SECOND, secret());
        let step = secret.verify("005924", now, None).expect("a good code");
        assert_eq!(secret.verify("005924", now, Some(step - 1)), Some(step));
        assert_eq!(secret.verify("005924", now, Some(step)), None, "once more");
        assert_eq!(
            secret.verify(&secret.code(now - STEP), now, Some(step)),
            None,
            "the one before"
        );
        assert_eq!(secret.verify(&secret.code(now + STEP), now, Some(step)), Some(step + 1));
        assert_eq!(secret.verify("005924", now, Some(step + 1)), None);
    }

    /// Of this secret the steps 910,737 and 910,738 have the same code.
    #[test]
    fn a_code_that_two_steps_have_is_good_once_all_the_same() {
        let (first, second, secret) = (910_737, 910_738, secret());
        for step in [first, second] {
            assert_eq!(secret.code(step * STEP), "911617");
        }
        for now in [first - 1, first, second, second + 1] {
            let taken_for = secret.verify("911617", now * STEP, None);
            assert_eq!(taken_for, Some(if now < first { first } else { second }));
        }
        assert_eq!(secret.verify("911617", first * STEP, Some(first)), Some(second));
        assert_eq!(secret.verify("911617", first * STEP, Some(second)), None);
    }

    #[test]
    fn a_code_is_six_digits_and_blanks() {
        let verify = |code| secret().verify(code, 59 * SECOND, None);
        for good in ["287082", "287 082", " 287082 ", "2 8 7 0 8 2"] {
            assert_eq!(verify(good), Some(1), "{good:?}");
        }
        for bad in [
            "",
            "28708",
            "2870820",
            "0287082",
            "94287082",
            "287082x",
            "x87082",
            "287-082",
            "+87082",
            "287\t082",
            "２８７０８２",
            "287082\0",
            "28708\u{662}",
        ] {
            assert_eq!(verify(bad), None, "{bad:?}");
        }
        assert_eq!(verify("287083"), None);
    }

    #[test]
    fn a_secret_is_read_as_it_is_written_and_no_other_way() {
        let text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(secret().text(), text);
        let read: TotpSecret = text.parse().expect("a secret");
        assert_eq!(read.code(59 * SECOND), "287082");
        let [lower, shorter, longer] =
            [text.to_lowercase(), text[1..].to_owned(), format!("{text}A")];
        let padded = format!("{text}======");
        for bad in ["", &lower, &shorter, &longer, &padded, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1"] {
            assert_eq!(bad.parse::<TotpSecret>().err(), Some(NotATotpSecret), "{bad:?}");
        }
        assert_ne!(TotpSecret::random().text(), TotpSecret::random().text());
    }

    #[test]
    fn an_authenticator_is_told_all_of_it_in_one_uri() {
        let name = "anna.b".parse().expect("a name");
        assert_eq!(
            secret().uri("Börse & Co: 8081/x", &name),
            "otpauth://totp/B%C3%B6rse%20%26%20Co%20%208081%2Fx:anna.b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=B%C3%B6rse%20%26%20Co%20%208081%2Fx&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", secret()), "TotpSecret(..)");
    }

    proptest! {
        #[test]
        fn whatever_the_time_a_code_is_six_digits_and_good_once(now in any::<i64>()) {
            let secret = secret();
            let code = secret.code(now);
            prop_assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
            let step = secret.verify(&code, now, None).expect("a good code");
            prop_assert!((step - now.div_euclid(STEP)).abs() <= 1);
            prop_assert_eq!(secret.verify(&code, now, Some(step)), None);
        }

        #[test]
        fn garbage_is_neither_a_code_nor_a_secret(text in ".{0,40}", now in any::<i64>()) {
            if secret().verify(&text, now, None).is_some() {
                prop_assert_eq!(text.bytes().filter(u8::is_ascii_digit).count(), 6);
            }
            if let Ok(read) = text.parse::<TotpSecret>() {
                prop_assert_eq!(read.text(), text);
            }
        }
    }
}
