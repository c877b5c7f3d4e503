//! CloudFront's API in this process, as far as it is asked: it checks signatures, keeps what was invalidated, and fails on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::IntoResponse as _;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use image_origin::purge::Batch;

use super::signature;

/// A running API for the distribution `E2EXAMPLE`.
pub(crate) struct CloudFront {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    batches: Vec<Batch>,
    /// What is answered next, each once, before calls are good.
    failures: Vec<(u16, &'static str)>,
}

const PATH: &str = "/2020-05-31/distribution/E2EXAMPLE/invalidation";

impl CloudFront {
    /// Answers with these statuses and codes first, the last one first.
    pub(crate) fn failing(failures: &[(u16, &'static str)]) -> Self {
        let state = Arc::new(Mutex::new(Calls { batches: Vec::new(), failures: failures.to_vec() }));
        let (started, start) = mpsc::channel();
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                let router = Router::new().route(PATH, post(invalidate)).layer(DefaultBodyLimit::disable());
                axum::serve(listener, router.with_state(shared)).await.unwrap();
            });
        });
        Self { address: start.recv().unwrap(), state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that came, also what was answered with a failure.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        std::mem::take(&mut self.state.lock().unwrap().batches)
    }
}

async fn invalidate(
    State(state): State<Arc<Mutex<Calls>>>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let xml = [("content-type", "text/xml")];
    let fail = |status: u16, code: &str| {
        let text = format!(
            "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Error>\
             <Type>Sender</Type><Code>{code}</Code><Message>Processing your request &amp; others</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>"
        );
        (StatusCode::from_u16(status).unwrap(), xml, text).into_response()
    };
    if !signature::is_of(&headers, "POST", PATH, "cloudfront", &body) {
        return fail(403, "SignatureDoesNotMatch");
    }
    let mut calls = state.lock().unwrap();
    calls.batches.push(Batch::from_xml(std::str::from_utf8(&body).unwrap()).unwrap());
    if let Some((status, code)) = calls.failures.pop() {
        return fail(status, code);
    }
    let text = "<Invalidation><Id>I2J0I21PCUYOIK</Id><Status>InProgress</Status></Invalidation>";
    (StatusCode::CREATED, xml, text).into_response()
}
