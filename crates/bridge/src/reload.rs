//! What a running bridge takes over when its configuration is read again.

use crate::config::{Config, Counter, Mistakes, Settings};
use crate::service_manager::{ServiceManager, how};
use api::state::ApiState;
use coordinator::Coordinator;
use domain::message::CounterId;
use link::{LinkKeys, ServiceHours};
use port::status::Health;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::Signal;

/// A database that does not say what was moved is asked again after this.
const COUNTED_AGAIN: Duration = Duration::from_secs(1);

/// What is said where it is, each mistake beside it.
const IS_WRONG: &str = "the configuration was read again and is wrong: nothing has changed";

/// What may change while the bridge runs: who may call and what they may, the counters' keys and hours,
/// and certificates, which their links read themselves.
pub(crate) struct Running {
    state: Arc<ApiState>,
    counters: Vec<(CounterId, LinkKeys, Option<ServiceHours>)>,
    /// By what it was started, and goes on running but for the above.
    started_by: Settings,
    /// What was read last, whether it could all be taken over or not.
    read_last: Mutex<Settings>,
}

impl Running {
    pub(crate) fn new(state: Arc<ApiState>, counters: &[Counter], settings: Settings) -> Running {
        let counters = counters.iter();
        let counters = counters.map(|it| (it.id.clone(), it.keys.clone(), it.hours.clone()));
        let read_last = Mutex::new(settings.clone());
        Running { state, counters: counters.collect(), started_by: settings, read_last }
    }

    /// Sessions whose key or authority was withdrawn are left in order. Nothing is waited for: whatever the
    /// database does, what was withdrawn is believed no more.
    fn take_over(&self, new: Config) {
        for note in &new.notes {
            tracing::warn!(key = note.key, "{}", note.what);
        }
        for counter in &new.counters {
            let known = self.counters.iter().find(|(id, ..)| *id == counter.id);
            let Some((_, keys, hours)) = known else { continue };
            if keys.replace(&counter.keys) {
                tracing::info!(counter = %counter.id, "its keys were replaced");
                // One that was rejected for its key is tried again with the new one.
                let rejected = self.state.coordinator.counters().get(&counter.id);
                if let Some(rejected) = rejected.filter(|it| it.snapshot().health != Health::Up) {
                    rejected.release();
                }
            }
            if let (Some(hours), Some(new)) = (hours, &counter.hours) {
                hours.replace(new);
            }
        }
        for counter in self.state.coordinator.counters() {
            counter.recheck();
        }
        // What an app may is known before its key is.
        self.state.apps.replace(new.apps.into_iter().map(|app| (app.name, app.rights)));
        self.state.coordinator.limit_days(new.coordinator.day_limits);
        self.state.authenticator.replace_keys(new.keys);
        self.tell_what_changed(new.settings);
    }

    fn tell_what_changed(&self, new: Settings) {
        let waiting = self.started_by.that_need_a_start(&new).join(", ");
        let mut last = self.read_last.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.started_by.taken_over_since(&last, &new).join(", ");
        *last = new;
        if changed.is_empty() {
            tracing::info!("the configuration was read again");
        } else {
            tracing::info!(changed, "the configuration was read again");
        }
        if !waiting.is_empty() {
            tracing::warn!(keys = waiting, "these wait for the next start");
        }
    }
}

/// Reads the configuration by `read` at each signal, and takes it over. If anything is wrong with it, all
/// stays as it is.
pub(crate) async fn at_each<R>(
    mut signal: Signal,
    read: R,
    running: &Running,
    manager: &ServiceManager,
) -> Infallible
where
    R: Fn() -> Result<Config, Mistakes> + Clone + Send + 'static,
{
    loop {
        tokio::select! {
            heard = signal.recv() => if heard.is_none() { break },
            () = count_days(&running.state.coordinator) => continue,
        }
        manager.reloading();
        match tokio::task::spawn_blocking(read.clone()).await {
            Ok(Ok(config)) => {
                running.take_over(config);
                manager.ready(&how(&running.state.coordinator));
            }
            Ok(Err(mistakes)) => {
                for mistake in mistakes.lines() {
                    tracing::error!("{mistake}");
                }
                tracing::error!("{IS_WRONG}");
                manager.ready(IS_WRONG);
            }
            Err(error) => {
                tracing::error!(%error, "the configuration could not be read again");
                manager.ready("the configuration could not be read again: nothing has changed");
            }
        }
    }
    std::future::pending().await
}

/// Returns once it is known what those apps have moved today that had no limit of a day before; there is
/// nothing to return for where all is known.
async fn count_days(coordinator: &Coordinator) {
    if coordinator.are_days_counted() {
        return std::future::pending().await;
    }
    let mut is_told = false;
    while let Err(error) = coordinator.count_days().await {
        if !is_told {
            tracing::error!(
                %error,
                "what apps have moved today is not known: those that had no limit of a day before begin \
                 nothing until it is"
            );
            is_told = true;
        }
        tokio::time::sleep(COUNTED_AGAIN).await;
    }
    tracing::info!("what apps have moved today is counted");
}
