//! Reports initialisation errors to Lambda, before the runtime is started.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

/// Reports an initialisation error to the runtime API at `host:port`, or below a path there.
///
/// # Errors
/// The I/O error if the API cannot be reached.
pub fn report_init_error(api: &str, kind: &str, message: &str) -> io::Result<()> {
    let body = json!({ "errorType": kind, "errorMessage": message, "stackTrace": [] }).to_string();
    let (host, path) = api.split_once('/').map_or((api, String::new()), |(host, path)| (host, format!("/{path}")));
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(
        stream,
        "POST {path}/2018-06-01/runtime/init/error HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         lambda-runtime-function-error-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    // Waits until the report has been received.
    #[allow(clippy::disallowed_methods, reason = "the runtime answers, not an upload")]
    stream.read_to_end(&mut Vec::new()).map(drop)
}
