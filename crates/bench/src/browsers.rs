//! What operators who look cost, and what they wait for: browsers that follow live, one of which has stalled, and pages of
//! transfers asked for one after another. Both are measured in turns with nobody looking.

use crate::figures::{Seen, count, per_second, round};
use crate::load::Plan;
use crate::stage::Stage;
use crate::turns::{TURNS, add_turn, turn};
use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use reqwest::{Client, header};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible as Never;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use supervise::tell;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How often a browser asks for a page on which nobody has touched anything for a minute, as `live.js` does.
const PAGE_EVERY: Duration = Duration::from_secs(15);
/// What browsers look at, in turn.
const ROOMS: [&str; 4] = ["/", "/connections", "/transit", "/transfers"];
/// Between two pages that whoever looks asks for: more than people do.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Transfers whose serials, accounts and amounts are looked for.
const SOUGHT: usize = 200;
/// The longest that a page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Browsers {
    /// So many followed, and one more that read nothing.
    following: u16,
    /// What they were told, in bytes.
    heard_bytes: usize,
    /// Pages that they asked for.
    pages: usize,
    /// What they cost the bridge, as a share of one core.
    cores_of_following: f64,
    /// Transfers a second beside them, as a multiple of those with nobody looking.
    following_ratio: f64,
    /// The same while pages are asked for one after another.
    looking_ratio: f64,
    /// How long each kind of page took meanwhile.
    page_ms: BTreeMap<&'static str, Page>,
}

/// How long pages of a kind took, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Page {
    asked: u64,
    p50: f64,
    p95: f64,
    max: f64,
}

/// A transfer by what it is looked for.
#[derive(Clone, Debug, Deserialize)]
struct Sought {
    master_serial: String,
    amount: i64,
    currency: String,
    from: Account,
}

#[derive(Clone, Debug, Deserialize)]
struct Account {
    account: String,
}

/// Whoever looks: an operator's browser.
#[derive(Clone)]
struct Browser {
    http: Client,
    url: String,
    cookie: String,
}

impl Browser {
    async fn get(&self, path: &str) -> Result<reqwest::Response> {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request.header(header::COOKIE, &self.cookie).send().await?;
        ensure!(answer.status().is_success(), "{path} was answered with {}", answer.status());
        Ok(answer)
    }

    async fn page(&self, path: &str) -> Result<usize> {
        Ok(tokio::time::timeout(PATIENCE, self.get(path)).await??.bytes().await?.len())
    }

    /// Follows, and looks now and then, as long as it is let; it returns only if that fails.
    async fn follow(self, number: u16, seen: Arc<Followed>) -> Result<Never> {
        let mut feed = self.get("/ops/v1/events").await?;
        // They do not all look at once.
        let first = PAGE_EVERY.mul_f64(f64::from(number % 100) / 100.0);
        let mut due = tokio::time::interval_at(tokio::time::Instant::now() + first, PAGE_EVERY);
        let room = ROOMS[usize::from(number) % ROOMS.len()];
        loop {
            tokio::select! {
                chunk = feed.chunk() => {
                    let bytes = chunk?.context("a feed has ended")?;
                    seen.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
                }
                _ = due.tick() => {
                    self.page(room).await?;
                    seen.pages.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Asks for the feed and reads nothing of it.
    async fn stall(&self) -> Result<TcpStream> {
        let authority = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(authority).await?;
        let head = format!(
            "GET /ops/v1/events HTTP/1.1\r\nHost: {authority}\r\nCookie: {}\r\n\r\n",
            self.cookie
        );
        stream.write_all(head.as_bytes()).await?;
        Ok(stream)
    }
}

/// Transfers of accounts that money comes from, the newest of each.
async fn some_transfers(stage: &Stage) -> Result<Vec<Sought>> {
    #[derive(Deserialize)]
    struct History {
        transfers: Vec<Sought>,
    }
    let mut found = Vec::new();
    for place in stage.orders().accounts.from.iter().take(SOUGHT) {
        let path = format!("/ops/v1/history?account={}&limit=1", place.account);
        let History { transfers } = stage.ask_operators(&path).await?;
        found.extend(transfers);
    }
    Ok(found)
}

/// What all that follow have heard and asked for.
#[derive(Default)]
struct Followed {
    bytes: AtomicUsize,
    pages: AtomicUsize,
}

/// Browsers that follow, until it is dropped.
struct Crowd {
    browsers: JoinSet<Result<Never>>,
    stalled: TcpStream,
}

impl Crowd {
    async fn enter(browser: &Browser, count: u16, seen: &Arc<Followed>) -> Result<Crowd> {
        let stalled = browser.stall().await?;
        let browsers = (0..count).map(|number| browser.clone().follow(number, seen.clone()));
        Ok(Crowd { browsers: browsers.collect(), stalled })
    }

    /// That all of them still follow.
    fn leave(mut self) -> Result<()> {
        if let Some(ended) = self.browsers.try_join_next() {
            match ended? {
                Ok(never) => match never {},
                Err(error) => return Err(error.context("a browser does not follow any more")),
            }
        }
        drop(self.stalled);
        Ok(())
    }
}

/// How long pages took, by kind, in microseconds.
type Times = BTreeMap<&'static str, Histogram<u64>>;

/// Asks for one page after another until it is told to stop.
async fn look(
    browser: Browser,
    sought: Arc<[Sought]>,
    mut over: watch::Receiver<bool>,
) -> Result<Times> {
    let mut times = Times::new();
    let mut due = tokio::time::interval(LOOK_EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for one in sought.iter().cycle() {
        let Sought { master_serial, amount, currency, from: Account { account } } = one;
        for (kind, path) in [
            ("found by serial", format!("/transfers?q={master_serial}")),
            ("one transfer", format!("/transfers/{master_serial}")),
            ("list by account", format!("/transfers?account={account}")),
            ("list by amount", format!("/transfers?amount={amount}&currency={currency}")),
            ("newest", "/transfers".to_owned()),
            ("overview", "/".to_owned()),
        ] {
            tokio::select! {
                _ = over.changed() => return Ok(times),
                _ = due.tick() => {}
            }
            let begun = Instant::now();
            browser.page(&path).await?;
            let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            let longest = u64::try_from(PATIENCE.as_micros()).unwrap_or(u64::MAX);
            let all = match times.get_mut(kind) {
                Some(all) => all,
                None => times.entry(kind).or_insert(Histogram::new_with_bounds(1, longest, 3)?),
            };
            all.saturating_record(took);
        }
    }
    bail!("there is nothing to look for")
}

/// Measures with nobody looking, with browsers that follow, and with pages that are asked for, in turns.
pub(crate) async fn run(plan: &Plan, stage: &Stage, following: u16) -> Result<(Seen, Browsers)> {
    let plan = Plan { measured: plan.measured / TURNS, ..plan.clone() };
    let (url, cookie) = stage.browser().context("nobody can sign in to this bridge")?;
    let browser = Browser { http: stage.http().clone(), url, cookie };
    let (mut alone, mut followed, mut looked) = (None, None, None);
    let (told, mut times) = (Arc::new(Followed::default()), Times::new());
    for _ in 0..TURNS {
        add_turn(&mut alone, turn(&plan, stage).await?)?;
        let crowd = Crowd::enter(&browser, following, &told).await?;
        add_turn(&mut followed, turn(&plan, stage).await?)?;
        crowd.leave()?;
        let sought = some_transfers(stage).await?;
        let (stop, over) = watch::channel(false);
        let looking: JoinHandle<Result<Times>> =
            tokio::spawn(look(browser.clone(), sought.into(), over));
        add_turn(&mut looked, turn(&plan, stage).await?)?;
        stop.send_replace(true);
        for (kind, all) in looking.await?? {
            match times.get_mut(kind) {
                Some(before) => before.add(all)?,
                None => drop(times.insert(kind, all)),
            }
        }
    }
    let turns = || Some((alone?, followed?, looked?));
    let (alone, followed, looked) = turns().context("there was no turn")?;
    let cpu = |seen: &Seen| seen.processes.each.get("bridge").map_or(0.0, |cost| cost.cpu_s);
    let ended = |seen: &Seen| count(seen.tally.ended()).max(1.0);
    let extra = cpu(&followed) - cpu(&alone) / ended(&alone) * ended(&followed);
    let ratio = |seen: &Seen| round(per_second(seen) / per_second(&alone).max(0.1), 3);
    let found = Browsers {
        following,
        heard_bytes: told.bytes.load(Ordering::Relaxed),
        pages: told.pages.load(Ordering::Relaxed),
        cores_of_following: round(extra / followed.seconds, 3),
        following_ratio: ratio(&followed),
        looking_ratio: ratio(&looked),
        page_ms: times.iter().map(|(kind, all)| (*kind, Page::of(all))).collect(),
    };
    ensure!(found.heard_bytes > 0, "nobody was told anything: {found:?}");
    Ok((alone, found))
}

impl Page {
    fn of(all: &Histogram<u64>) -> Page {
        let at = |quantile: f64| round(count(all.value_at_quantile(quantile)) / 1000.0, 2);
        Page { asked: all.len(), p50: at(0.5), p95: at(0.95), max: at(1.0) }
    }
}

impl Browsers {
    pub(crate) fn explain(&self) {
        tell!(
            "  {} browsers that follow, and one that reads nothing: {:.3} of a core, {:.2} of the transfers/s with \
             nobody looking; {} pages, {} bytes of events",
            self.following,
            self.cores_of_following,
            self.following_ratio,
            self.pages,
            self.heard_bytes
        );
        tell!(
            "  pages one after another, {:.2} of the transfers/s with nobody looking:",
            self.looking_ratio
        );
        for (kind, Page { asked, p50, p95, max }) in &self.page_ms {
            tell!(
                "    {kind:<16} {p50:.1} ms (median), {p95:.1} (95 %), {max:.1} at most, of {asked}"
            );
        }
    }
}
