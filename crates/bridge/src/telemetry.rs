//! Exports what happens to a collector of OpenTelemetry's, where the configuration names one: each transfer that has
//! ended as a span, from its acceptance until its end was durable, and each line of the log that is no smaller than INFO
//! as a log record; both by OTLP over HTTP. `master` is the master serial on both.
//!
//! Nobody waits for it. What is to be exported is handed to two queues with a bound, which threads of their own empty; a
//! collector that is slow, or away, costs what fits in there and nothing else. What finds no room, or is not taken, is
//! dropped and counted: the log and the record have it.

use crate::config::OpenTelemetry;
use client::way::{self, Authorities};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Tracer, TracerProvider};
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    LogExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder as LogBatches, BatchLogProcessor, LogBatch, LogExporter as ExportLines,
    SdkLogger, SdkLoggerProvider,
};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder as SpanBatches, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
    SpanData, SpanExporter as ExportSpans,
};
use std::fmt::{Debug, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;

/// What waits to be exported, of spans and of lines each.
const MOST_WAITING: usize = 2_048;

/// What is exported at once.
const MOST_AT_ONCE: usize = 512;

/// How long it waits to become more.
const EVERY: Duration = Duration::from_secs(1);

/// How long a collector may take for one request.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of its answer that are read: an error says what is wrong in fewer.
const LONGEST_ANSWER: usize = 64 << 10;

/// Bytes of one value, of a line's words or of a field: what waits has a bound in bytes, too.
const LONGEST_VALUE: usize = 2_048;

/// How long the last of it may take when the bridge has stopped.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where it goes, once the configuration has been read. The log begins before.
static TO: OnceLock<To> = OnceLock::new();

struct To {
    spans: SdkTracer,
    lines: SdkLogger,
    waiting_spans: Waiting,
    waiting_lines: Waiting,
}

/// What waits to be exported of one kind, with what is being exported now. Clones are the same.
#[derive(Clone, Debug)]
struct Waiting {
    kind: &'static str,
    count: Arc<AtomicUsize>,
}

impl Waiting {
    fn of(kind: &'static str) -> Waiting {
        Waiting { kind, count: Arc::default() }
    }

    /// Whether there is room for one more, which waits from then on; otherwise it is dropped.
    fn takes_one(&self) -> bool {
        let more = |count: usize| (count < MOST_WAITING).then_some(count + 1);
        let is_taken = self.count.try_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if !is_taken {
            self.dropped(1);
        }
        is_taken
    }

    /// So many wait no longer: the collector has them, or nobody ever will.
    fn are_through(&self, count: usize, done: &OTelSdkResult) {
        self.count.fetch_sub(count, Ordering::Relaxed);
        if done.is_err() {
            self.dropped(count);
        }
    }

    fn dropped(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        metrics::counter!("export_dropped_total", "kind" => self.kind).increment(count);
    }
}

/// An exporter, and what waits for it.
#[derive(Debug)]
struct Counting<E> {
    exporter: E,
    waiting: Waiting,
}

impl ExportSpans for Counting<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let done = self.exporter.export(batch).await;
        self.waiting.are_through(count, &done);
        done
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl ExportLines for Counting<LogExporter> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        let done = self.exporter.export(batch).await;
        self.waiting.are_through(count, &done);
        done
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// What is exported, until it is ended.
#[derive(Debug)]
pub(crate) struct Exporting {
    spans: SdkTracerProvider,
    lines: SdkLoggerProvider,
}

/// Begins to export, for the rest of this process. Whether the collector is there is found out by exporting.
///
/// # Errors
///
/// The endpoint is none, or a thread cannot be begun.
pub(crate) fn begin(config: &OpenTelemetry) -> anyhow::Result<Exporting> {
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", config.service_name.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build();
    let (waiting_spans, waiting_lines) = (Waiting::of("spans"), Waiting::of("lines"));
    let client = Client::of(config, "spans")?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client.clone())
        .with_retry_policy(RetryPolicy::disabled())
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", config.endpoint))
        .with_timeout(TAKEN_WITHIN)
        .build()?;
    let batches = SpanBatches::default()
        .with_max_queue_size(MOST_WAITING)
        .with_max_export_batch_size(MOST_AT_ONCE)
        .with_scheduled_delay(EVERY);
    let exporter = Counting { exporter, waiting: waiting_spans.clone() };
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches.build());
    let spans = SdkTracerProvider::builder()
        // What is left out is left out here, and counted: nothing of it by what stands in the environment.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource.clone())
        .with_span_processor(processor.build())
        .build();
    let exporter = LogExporter::builder()
        .with_http()
        .with_http_client(client.also_of("lines"))
        .with_retry_policy(RetryPolicy::disabled())
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/logs", config.endpoint))
        .with_timeout(TAKEN_WITHIN)
        .build()?;
    let batches = LogBatches::default()
        .with_max_queue_size(MOST_WAITING)
        .with_max_export_batch_size(MOST_AT_ONCE)
        .with_scheduled_delay(EVERY);
    let exporter = Counting { exporter, waiting: waiting_lines.clone() };
    let processor = BatchLogProcessor::builder(exporter).with_batch_config(batches.build());
    let lines = SdkLoggerProvider::builder()
        .with_resource(resource)
        .with_log_processor(processor.build())
        .build();
    let to =
        To { spans: spans.tracer(SCOPE), lines: lines.logger(SCOPE), waiting_spans, waiting_lines };
    anyhow::ensure!(TO.set(to).is_ok(), "what happens is exported already");
    // What nobody wanted until now was not even looked at.
    tracing::callsite::rebuild_interest_cache();
    Ok(Exporting { spans, lines })
}

impl Exporting {
    /// Exports what is left, if that does not take long.
    pub(crate) async fn end(self) {
        let end = move || {
            // Whatever goes wrong has been said, and there is nothing more to do about it.
            let _ = self.spans.shutdown_with_timeout(LAST_WORDS);
            let _ = self.lines.shutdown_with_timeout(LAST_WORDS);
        };
        let ended = tokio::task::spawn_blocking(end);
        let _ = tokio::time::timeout(2 * LAST_WORDS, ended).await;
    }
}

/// The name of what makes spans and records.
const SCOPE: &str = "counter-bridge";

/// Asks the collector, on the runtime of the bridge: the exporters' threads have none.
#[derive(Clone, Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
    /// What is exported by it: a collector may take the one and not the other.
    kind: &'static str,
    failing: Arc<AtomicBool>,
}

impl Client {
    fn of(config: &OpenTelemetry, kind: &'static str) -> anyhow::Result<Client> {
        let url = reqwest::Url::parse(&config.endpoint)?;
        let builder = way::builder(&url, &Authorities::OfTheSystem).timeout(TAKEN_WITHIN);
        let http = builder.build()?;
        Ok(Client { http, runtime: Handle::try_current()?, kind, failing: Arc::default() })
    }

    /// The same, for what is exported beside it.
    fn also_of(self, kind: &'static str) -> Client {
        Client { kind, failing: Arc::default(), ..self }
    }

    async fn send(
        http: reqwest::Client,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        let mut answer =
            http.request(head.method, url).headers(head.headers).body(body).send().await?;
        let mut read = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            if read.len() + piece.len() > LONGEST_ANSWER {
                return Err("the collector's answer is too long".into());
            }
            read.extend_from_slice(&piece);
        }
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        Ok(response.body(read.into())?)
    }

    /// Says that the collector takes nothing of a kind, once, and that it does again.
    fn tell(&self, sent: &Result<Response<Bytes>, HttpError>) {
        let why = match sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        match (why, self.failing.load(Ordering::Relaxed)) {
            (Some(why), false) => {
                self.failing.store(true, Ordering::Relaxed);
                let kind = self.kind;
                tracing::warn!(why, "the collector takes no {kind}: they are not exported");
            }
            (None, true) => {
                self.failing.store(false, Ordering::Relaxed);
                tracing::info!("the collector takes {} again", self.kind);
            }
            (Some(_), true) | (None, false) => {}
        }
    }
}

type Sending<'s> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 's>>;

impl HttpClient for Client {
    fn send_bytes<'s, 'f>(&'s self, request: Request<Bytes>) -> Sending<'f>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let sent = self.runtime.spawn(Client::send(self.http.clone(), request)).await;
            let sent = sent.unwrap_or_else(|error| Err(error.into()));
            self.tell(&sent);
            sent
        })
    }
}

/// Takes what is logged.
pub(crate) struct Exporter;

impl Exporter {
    /// Whether something is exported, wherever it goes.
    fn wants(metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && TO.get().is_some()
            && (metadata.target() == coordinator::ENDED || *metadata.level() <= Level::INFO)
    }

    /// Lets through what is exported. What is smaller than anything of that is not even looked at, as if nothing were.
    pub(crate) fn filter() -> FilterFn {
        filter_fn(Exporter::wants as fn(&Metadata<'_>) -> bool)
            .with_max_level_hint(LevelFilter::DEBUG)
    }
}

impl<S: Subscriber> Layer<S> for Exporter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(to) = TO.get() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        if event.metadata().target() == coordinator::ENDED {
            to.span(fields);
        } else {
            to.line(event.metadata(), fields);
        }
    }
}

impl To {
    fn span(&self, fields: Fields) {
        if !self.waiting_spans.takes_one() {
            return;
        }
        let Fields { accepted_at, ended_at, all, .. } = fields;
        let attributes = all.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        let span = SpanBuilder::from_name("transfer")
            .with_kind(SpanKind::Internal)
            .with_start_time(at(accepted_at))
            .with_attributes::<Vec<KeyValue>>(attributes);
        let context = opentelemetry::Context::new();
        let mut span = self.spans.build_with_context(span, &context);
        // The wall clock may have been set back.
        span.end_with_timestamp(at(ended_at.max(accepted_at)));
    }

    fn line(&self, metadata: &Metadata<'_>, fields: Fields) {
        if !self.waiting_lines.takes_one() {
            return;
        }
        let mut record = self.lines.create_log_record();
        let (severity, name) = match *metadata.level() {
            Level::ERROR => (Severity::Error, "ERROR"),
            Level::WARN => (Severity::Warn, "WARN"),
            _ => (Severity::Info, "INFO"),
        };
        record.set_timestamp(SystemTime::now());
        record.set_severity_number(severity);
        record.set_severity_text(name);
        record.set_target(metadata.target().to_owned());
        record.set_body(AnyValue::from(fields.message));
        record.add_attributes(fields.all.into_iter().map(|(key, value)| (Key::from(key), value)));
        self.lines.emit(record);
    }
}

/// A time of the wall clock, from microseconds since 1970 UTC.
fn at(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// What an event says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields {
    message: String,
    accepted_at: i64,
    ended_at: i64,
    all: Vec<(&'static str, String)>,
}

/// At most so much of a value, whole characters.
fn clipped(mut value: String) -> String {
    if value.len() > LONGEST_VALUE {
        let end = (0..=LONGEST_VALUE).rev().find(|end| value.is_char_boundary(*end));
        value.truncate(end.unwrap_or(0));
    }
    value
}

impl Fields {
    fn add(&mut self, field: &Field, value: String) {
        let value = clipped(value);
        if field.name() == "message" {
            self.message = value;
        } else {
            self.all.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        match field.name() {
            "accepted_at" => self.accepted_at = value,
            "ended_at" => self.ended_at = value,
            _ => self.add(field, value.to_string()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail; what a value says of itself may, and is then left as far as it came.
        let _ = write!(text, "{value:?}");
        self.add(field, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    #[test]
    fn a_value_is_clipped_between_characters() {
        let just = "x".repeat(LONGEST_VALUE);
        assert_eq!(clipped(just.clone()), just);
        assert_eq!(clipped(format!("{just}y")), just);
        let wide = clipped(format!("{}余额", "x".repeat(LONGEST_VALUE - 1)));
        assert_eq!(wide.len(), LONGEST_VALUE - 1);
    }

    #[test]
    fn what_is_not_taken_is_counted_and_makes_room() {
        let waiting = Waiting::of("lines");
        let recorder = PrometheusBuilder::new().build_recorder();
        let taken = metrics::with_local_recorder(&recorder, || {
            let first = (0..MOST_WAITING + 3).filter(|_| waiting.takes_one()).count();
            waiting.are_through(7, &Ok(()));
            let refused = opentelemetry_sdk::error::OTelSdkError::InternalFailure("503".to_owned());
            waiting.are_through(5, &Err(refused));
            (first, (0..MOST_WAITING).filter(|_| waiting.takes_one()).count())
        });
        assert_eq!(taken, (MOST_WAITING, 12));
        let dropped = 3 + 5 + MOST_WAITING - 12;
        let counted = recorder.handle().render();
        let expected = format!("export_dropped_total{{kind=\"lines\"}} {dropped}\n");
        assert!(counted.contains(&expected), "{counted}");
    }

    /// A collector may take the one and not the other, and each is said once.
    #[tokio::test]
    async fn spans_and_lines_fail_each_by_itself() {
        let config = OpenTelemetry {
            endpoint: "http://127.0.0.1:1".to_owned(),
            service_name: "a-test".to_owned(),
        };
        let spans = Client::of(&config, "spans").expect("a client");
        let lines = spans.clone().also_of("lines");
        spans.tell(&Err("refused".into()));
        lines.tell(&Ok(Response::new(Bytes::new())));
        let failing = |client: &Client| client.failing.load(Ordering::Relaxed);
        assert!(failing(&spans) && !failing(&lines));
    }

    #[test]
    fn what_is_never_exported_is_not_looked_at() {
        let filter = Exporter::filter();
        let hint = <FilterFn as tracing_subscriber::layer::Filter<
            tracing_subscriber::Registry,
        >>::max_level_hint(&filter);
        assert_eq!(hint, Some(LevelFilter::DEBUG));
    }

    /// So many wait for a collector that answers nobody, whatever comes; and it is given up when the bridge ends.
    #[tokio::test]
    async fn a_collector_that_stands_still_costs_so_much_and_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("known");
        let config = OpenTelemetry {
            endpoint: format!("http://{address}"),
            service_name: "a-test".to_owned(),
        };
        let exporting = begin(&config).expect("it begins");
        let to = TO.get().expect("it has begun");
        let began = std::time::Instant::now();
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            for number in 0..20 * MOST_WAITING {
                let fields = Fields {
                    accepted_at: 7,
                    ended_at: 5,
                    all: vec![("master", number.to_string())],
                    ..Fields::default()
                };
                to.span(fields);
            }
        });
        let counted = recorder.handle().render();
        let dropped = format!("export_dropped_total{{kind=\"spans\"}} {}", 19 * MOST_WAITING);
        assert!(counted.contains(&dropped), "{counted}");
        // Had one of them waited for the collector, it would have waited for all of this.
        assert!(began.elapsed() < TAKEN_WITHIN, "{:?}", began.elapsed());
        // No more is sent at once than goes into one request; the rest waits, or has found no room.
        let (mut stream, _) = listener.accept().await.expect("it is asked");
        let mut head = Vec::new();
        while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            assert!(stream.read_buf(&mut head).await.expect("it asks") > 0);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|it| it.split('\r').next());
        let length: usize = length.expect("a length").parse().expect("a number");
        assert!(length < MOST_AT_ONCE * 200, "{length} bytes");
        let ends = tokio::time::timeout(TAKEN_WITHIN, exporting.end()).await;
        assert!(ends.is_ok(), "a collector that stands still holds the end up");
        drop(stream);
    }
}
