//! What keeps a process honest about itself: no task dies or stands still unnoticed, nothing that is
//! said for people can stop the work, and whoever repeats himself fills no disk.
//!
//! Nothing but the standard library, so that every program here can use it. Reading order: [`output`]
//! says lines on standard output and standard error without ever panicking; [`lines`] takes the log to
//! its sink on a thread of its own; [`task`] watches one task, [`vitals`] all of them; [`budget`] says
//! whether what failed is begun anew; [`limit`] how much is said of one who repeats himself;
//! [`places`] who may stay where places are few; [`clock`] is the time for people and records; [`trap`]
//! makes things fail on purpose, in debug builds.
//!
//! ```
//! use std::{pin::pin, sync::Arc, task::{Context, Waker}, time::Instant};
//! use supervise::task::{Task, watched};
//! use supervise::vitals::{Vitals, Weight};
//!
//! let vitals = Vitals::default();
//! let task = Arc::new(Task::new("the journal"));
//! vitals.add(task.clone(), Weight::Essential);
//! let mut work = pin!(watched(task, async { panic!("no room on the disk") }));
//! assert!(vitals.look(Instant::now()).is_nothing());
//! // Whoever runs it goes on; that it has died is known to all who look.
//! assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
//! let ailing = vitals.look(Instant::now());
//! assert_eq!(ailing.to_string(), "the journal has died: it panicked: no room on the disk");
//! ```

pub mod budget;
pub mod clock;
pub mod limit;
pub mod lines;
pub mod output;
pub mod places;
pub mod task;
pub mod trap;
pub mod vitals;
