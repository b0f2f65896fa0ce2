//! One connection, from its first byte to its end.

use super::body::{Told, Whose};
use super::stream::Watched;
use super::watch::{Overdue, Watch};
use super::{Limits, Trust, Visit};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use metrics::counter;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tower::Service;

/// One who has a place.
pub(super) struct Guest {
    pub(super) stream: TcpStream,
    pub(super) visit: Visit,
    pub(super) watch: Arc<Watch>,
    /// Told when the place is somebody else's, or everything stops.
    pub(super) leave: CancellationToken,
    pub(super) stop: CancellationToken,
}

/// Why a connection has ended.
enum End {
    Itself,
    Overdue(Overdue),
    Displaced,
}

impl Guest {
    pub(super) async fn serve(self, router: Router) {
        let listener = self.visit.0.house.name;
        match self.run(router).await {
            // The latter was counted when the place was given away.
            End::Itself | End::Displaced => {}
            End::Overdue(overdue) => {
                let why = overdue.as_str();
                counter!("http_closed_connections_total", "listener" => listener, "why" => why)
                    .increment(1);
            }
        }
    }

    async fn run(self, router: Router) -> End {
        let Guest { stream, visit, watch, leave, stop } = self;
        let house = visit.0.house.clone();
        let limits = &house.limits;
        // One who says nothing takes no buffer.
        tokio::select! {
            biased;
            () = leave.cancelled() => return End::Displaced,
            () = sleep_until(watch.look(limits).unwrap_or_else(|_| tokio::time::Instant::now())) => {
                return End::Overdue(Overdue::Head);
            }
            readable = stream.readable() => if readable.is_err() { return End::Itself },
        }
        let settles = house.trust == Trust::Answered;
        let service = {
            let watch = watch.clone();
            service_fn(move |request: hyper::Request<Incoming>| {
                let answer = answer(&router, request, &watch, &visit);
                let (watch, visit) = (watch.clone(), visit.clone());
                async move {
                    let Ok(response) = answer.await;
                    if settles && response.status().is_success() {
                        visit.settle();
                    }
                    Ok::<_, Infallible>(response.map(|body| Told::new(body, Whose::Answer, watch)))
                }
            })
        };
        let io = TokioIo::new(Watched { stream, watch: watch.clone() });
        let connection = builder(limits).serve_connection(io, service);
        let mut connection = pin!(connection);
        let mut look = pin!(sleep_until(watch.look(limits).unwrap_or_else(|_| {
            // It is looked at once more, and closed then.
            tokio::time::Instant::now()
        })));
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                // How it ended is the peer's affair: closed, reset, or no HTTP at all.
                _ = connection.as_mut() => return End::Itself,
                () = look.as_mut() => match watch.look(limits) {
                    Ok(next) => look.as_mut().reset(next),
                    Err(overdue) => return End::Overdue(overdue),
                },
                () = leave.cancelled(), if !stopping => {
                    if watch.rests() {
                        return if stop.is_cancelled() { End::Itself } else { End::Displaced };
                    }
                    // What is in progress is answered, and nothing more.
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The watch looks after it.
        .header_read_timeout(None)
        // What is longer is answered with 431.
        .max_buf_size(limits.longest_head.max(Limits::SHORTEST_HEAD));
    builder
}

/// Hands a request to the routes.
fn answer(
    router: &Router,
    request: hyper::Request<Incoming>,
    watch: &Arc<Watch>,
    visit: &Visit,
) -> impl Future<Output = Result<axum::response::Response, Infallible>> + use<> {
    watch.head_ended(!request.body().is_end_stream());
    let watch = watch.clone();
    let mut request: Request =
        request.map(|body| Body::new(Told::new(body, Whose::Request, watch)));
    request.extensions_mut().insert(visit.clone());
    router.clone().call(request)
}
