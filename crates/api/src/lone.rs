//! A running coordinator for tests of the routes over it: its counters do not answer, and its record
//! holds what the test wants. The tests of the operators' side, another crate, are built with this file too.

use coordinator::Coordinator;
use coordinator::shard::Render;
use domain::message::CounterId;
use link::{Link, LinkConfig};
use store::{Alarm, Store, Write};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::dialect::Dialect;

/// See the module.
pub(crate) struct Lone {
    pub(crate) coordinator: Coordinator,
    pub(crate) stop: CancellationToken,
    #[allow(dead_code, reason = "the transfer API knows no people")]
    pub(crate) people: store::people::People,
    #[allow(dead_code, reason = "what holds counters is of the operators' side")]
    pub(crate) store: Store,
    /// The record lies here.
    _folder: TempDir,
}

impl Lone {
    /// With these counters and these transfers, one after the other; an end is answered as `render` says.
    pub(crate) async fn start(render: Render, counters: &[&str], transfers: &[Write]) -> Lone {
        Lone::start_with(render, counters, transfers, &[]).await
    }

    /// The same, where an earlier life has raised these alarms.
    pub(crate) async fn start_with(
        render: Render,
        counters: &[&str],
        transfers: &[Write],
        alarms: &[(Option<i64>, Alarm)],
    ) -> Lone {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("bridge.sqlite").display());
        let store = Store::open(&url).await.expect("a database");
        let (done, mut written) = mpsc::unbounded_channel();
        for transfer in transfers {
            store.journal().submit(vec![transfer.clone()], &done);
            let answers = written.recv().await.expect("an answer");
            assert!(answers.iter().all(|answer| answer.result.is_ok()), "{answers:?}");
        }
        store.keep_alarms(alarms).await.expect("they are kept");
        let people = store.people();
        let (unmatched, said) = mpsc::channel(16);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let links = counters
            .iter()
            .map(|counter| {
                let counter = CounterId::new(counter).expect("a counter");
                // The port of nobody: every attempt is refused at once.
                let addresses = vec!["127.0.0.1:1".to_owned()];
                let key = vec![7; 32].into();
                let dialect = Dialect::Securities;
                let config = LinkConfig::new(counter, addresses, dialect, "bridge".to_owned(), key);
                Link::spawn(config, unmatched.clone(), &tasks, stop.clone())
            })
            .collect();
        let coordinator = Coordinator::start(
            coordinator::Config::default(),
            store.clone(),
            links,
            said,
            render,
            &tasks,
            stop.clone(),
        )
        .await
        .expect("it starts");
        Lone { coordinator, stop, people, store, _folder: folder }
    }
}
