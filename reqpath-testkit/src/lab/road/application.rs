//! The application in a Pod: a small web server that asks a database.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_postgres::{Config, NoTls};

use super::secure::Verified;
use crate::background::Background;

/// How long the database may take, connecting and answering.
const DATABASE_WITHIN: Duration = Duration::from_secs(5);
/// How many requests are remembered; later ones are served and not noted.
const REMEMBERED: usize = 100_000;

const QUESTION: &str =
    "SELECT cents, host(inet_client_addr()), host(inet_server_addr()) FROM prices WHERE article = 'tea'";

/// A running application.
///
/// It answers `/db` with a price from the database, over a connection of its own for each request, or with
/// 503 and the reason; and every other path by itself. Answers are JSON, and say which Pod made them and
/// which peer it saw.
///
/// ```
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// let curl = road.client.command("curl").args(["--silent", "--max-time", "20"]).arg(road.url("/"));
/// assert!(curl.status().unwrap().success());
/// assert_eq!(road.pods[0].application.served().len(), 1);
/// ```
#[derive(Debug)]
pub struct Application {
    served: Arc<Mutex<Vec<Served>>>,
    // Stops the server when dropped.
    _background: Background,
}

/// One request that an application answered.
///
/// ```
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// let curl = road.client.command("curl").args(["--silent", "--max-time", "20"]).arg(road.url("/"));
/// assert!(curl.status().unwrap().success());
/// let served = &road.pods[0].application.served()[0];
/// assert_eq!((served.path.as_str(), served.status), ("/", 200));
/// assert_ne!(served.peer.ip(), road.client.ipv4(), "the Pod sees who stands before it");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// The peer's address as the Pod saw it, after all translation.
    pub peer: SocketAddr,
    /// The path asked for, without a query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// The value of `X-Request-Id`, where it came with the request.
    pub request_id: Option<String>,
}

/// How an application asks its database.
pub(super) struct Asks {
    pub(super) database: Config,
    /// Over TLS, with these manners.
    pub(super) secured: Option<Verified>,
}

struct Pod {
    name: String,
    asks: Asks,
    served: Arc<Mutex<Vec<Served>>>,
}

impl Application {
    /// Serves on these listeners, from where the calling thread is.
    pub(super) fn start(name: &str, listeners: Vec<TcpListener>, asks: Asks) -> io::Result<Self> {
        let served = Arc::new(Mutex::new(Vec::new()));
        let pod = Arc::new(Pod { name: name.to_owned(), asks, served: Arc::clone(&served) });
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let background = Background::start(&format!("lab-{name}-app"), move || async move {
            for listener in listeners {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => drop(tokio::spawn(accept(listener, Arc::clone(&pod)))),
                    // Its socket closes, and whoever dials it is refused.
                    Err(error) => tracing::warn!(%error, "an application cannot listen"),
                }
            }
            std::future::pending::<()>().await;
        })?;
        Ok(Self { served, _background: background })
    }

    /// The requests answered so far, in order.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        lock(&self.served).clone()
    }
}

async fn accept(listener: tokio::net::TcpListener, pod: Arc<Pod>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, or a connection that was gone again: others may still be served.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // A server that answers late of its own accord would spoil every time that is measured.
        let _ = stream.set_nodelay(true);
        let pod = Arc::clone(&pod);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let pod = Arc::clone(&pod);
                async move { Ok::<_, Infallible>(pod.answer(peer, &request).await) }
            });
            // A client that goes away early is its own affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Pod {
    async fn answer(&self, peer: SocketAddr, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let (status, mut body) = match path.as_str() {
            "/db" => match tokio::time::timeout(DATABASE_WITHIN, self.price()).await {
                Ok(Ok(price)) => (StatusCode::OK, price),
                Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": told(&error) })),
                Err(_) => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    json!({ "error": "the database did not answer in time" }),
                ),
            },
            _ => (StatusCode::OK, json!({ "path": path })),
        };
        body["pod"] = Value::from(self.name.as_str());
        body["peer"] = Value::from(peer.to_string());
        let request_id =
            request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        {
            let mut served = lock(&self.served);
            if served.len() < REMEMBERED {
                served.push(Served { peer, path, status: status.as_u16(), request_id });
            }
        }
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        response
    }

    /// One connection, one question.
    async fn price(&self) -> Result<Value, tokio_postgres::Error> {
        let Asks { database, secured } = &self.asks;
        let (client, connection) = match secured.clone() {
            Some(secured) => {
                let (client, connection) = database.connect(secured).await?;
                (client, tokio::spawn(connection))
            }
            None => {
                let (client, connection) = database.connect(NoTls).await?;
                (client, tokio::spawn(connection))
            }
        };
        let row = client.query_one(QUESTION, &[]).await;
        drop(client);
        // The connection says goodbye; how that went is no news once there is an answer.
        let _ = connection.await;
        let row = row?;
        Ok(json!({
            "cents": row.try_get::<_, i32>(0)?,
            "seen_by_database": row.try_get::<_, String>(1)?,
            "database": row.try_get::<_, String>(2)?,
        }))
    }
}

fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

fn lock(served: &Mutex<Vec<Served>>) -> MutexGuard<'_, Vec<Served>> {
    served.lock().unwrap_or_else(PoisonError::into_inner)
}
