//! Runs the real programs against one another, over real sockets and databases, and judges them by
//! what the counters wrote in their own books.
//!
//! Reading order: [`process`] starts and kills programs; [`counter`], [`database`] and [`bridge`]
//! are what a test is made of, [`away`] a network of its own to put a counter in, [`clock`] one that can be stepped, [`caller`] and [`operator`] use it, [`tester`] is who they are to it, and [`town`] is all of it together;
//! [`stage`] is a bridge with a configuration of its own, [`peer`] a counter that says what a test wants;
//! [`books`] and [`audit`] say whether the money is where it should be, and [`auditor`] runs the
//! program's own audit; [`chaos`] does everything at once, and may kill a [`mariadb`] of its own.

pub mod audit;
pub mod auditor;
pub mod away;
pub mod books;
pub mod bridge;
pub mod caller;
pub mod certificates;
pub mod chaos;
pub mod clock;
pub mod counter;
pub mod database;
pub mod http;
pub mod mariadb;
pub mod operator;
pub mod peer;
pub mod private;
pub mod process;
pub mod stage;
pub mod tester;
pub mod town;
