//! Who the operators are, and how they prove it: names and roles, passwords and second factors, the secrets of
//! sessions and tokens, how long a session lasts and how often somebody may try. Pure: no I/O and no clock; times are
//! inputs, microseconds since 1970 UTC. Randomness is the operating system's, and is taken only by what is called
//! `random`, and for the salt of a password's hash.
//!
//! Nothing here is remembered but attempts, and nothing secret is shown by `Debug`.
//!
//! Reading order: [`name`] and [`role`] say who somebody is and what he may; [`password`], [`totp`] and [`recovery`]
//! are how he proves it; [`bearer`] is what he holds afterwards, [`session`] for how long; [`attempts`] is how often
//! he may try, and [`device`] why a stranger who tries in his name does not keep him out.
//!
//! ```
//! use people::{
//!     Attempts, DeviceKey, DeviceOf, Lifetime, OperatorName, Over, Password, PasswordHash, Permission, Role,
//!     SessionSecret, TotpSecret,
//! };
//!
//! // Anna is made an operator, and puts her second factor into her telephone.
//! let anna: OperatorName = "anna".parse()?;
//! let kept = Password::chosen("kettle orbit, sandal and 4 plums", &anna, &[])?.hash();
//! let telephone = TotpSecret::random();
//! assert!(telephone.uri("counter-bridge", &anna).starts_with("otpauth://totp/counter-bridge:anna?"));
//! assert!(Role::Operator.may(Permission::Act) && !Role::Operator.may(Permission::Approve));
//!
//! // Somebody signs in, under a name that may be anybody's.
//! let (mut attempts, address, now) = (Attempts::default(), "192.0.2.1".parse()?, 1_795_219_200_000_000);
//! let attempt = attempts.begin("anna", address, None, now)?;
//! let is_right = PasswordHash::parse(kept.as_str())?.verify("kettle orbit, sandal and 4 plums");
//! let step = telephone.verify(&telephone.code(now), now, None);
//! assert!(is_right && step.is_some());
//! attempts.succeeded(attempt);
//! assert!(!PasswordHash::of_nobody().verify("whatever"), "where nobody has that name");
//!
//! // From here on a secret stands for her, of which only the digest is stored, and her browser is known.
//! let secret = SessionSecret::random();
//! assert_eq!(secret.text().parse::<SessionSecret>()?.digest(), secret.digest());
//! assert_eq!(Lifetime::default().is_over(now, now, now + 1_800_000_000), Some(Over::Idle));
//! let key = DeviceKey::random();
//! let cookie = key.issue(&DeviceOf::random(anna), now + 1);
//! let browser = key.verify(&cookie, now).ok_or("a cookie of ours")?;
//!
//! // However often strangers try in her name, from there she gets in.
//! for _ in 0..1_000 {
//!     if let Ok(attempt) = attempts.begin("anna", address, None, now) {
//!         attempts.failed(attempt, now);
//!     }
//! }
//! assert!(attempts.begin("anna", address, None, now).is_err());
//! assert!(attempts.begin("anna", address, Some(&browser), now).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod attempts;
pub mod bearer;
pub mod device;
pub mod name;
pub mod password;
pub mod recovery;
pub mod role;
mod secret;
pub mod session;
pub mod totp;

pub use attempts::{Attempt, Attempts, Limits, Wait};
pub use bearer::{Bearer, NotASecret, SessionSecret, TokenSecret};
pub use device::{DeviceKey, DeviceOf};
pub use name::{NotAName, OperatorName};
pub use password::{NotAHash, Password, PasswordHash, Weak};
pub use recovery::RecoveryCode;
pub use role::{NotARole, Permission, Role};
pub use session::{Lifetime, Over};
pub use totp::{NotATotpSecret, TotpSecret};
