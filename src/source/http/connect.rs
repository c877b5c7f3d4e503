//! Connections that only lead where they may: a host is resolved once, every address of the answer is checked, and one of
//! those is connected to. Nothing is resolved again, so an answer that changes changes nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Empty;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::address::{Network, special_use};
use super::target::{BadUrl, Host, Target};
use crate::http_client::{Connect, ConnectError, TLS};
use crate::interim::Counted;
use crate::source::BoxFuture;

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The number of addresses of a host that are tried.
const ADDRESSES: usize = 4;

/// The maximum number of bytes of a response that are read at once, and of its head.
const BUFFER: usize = 64 * 1024;

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that connects through a [`Guard`].
pub(super) type HttpClient = Client<Connect, Empty<Bytes>>;

/// Looks up the addresses of hosts.
pub trait Resolve: Send + Sync {
    /// The addresses of a host, in the order in which they are tried.
    ///
    /// # Errors
    /// Any error of the lookup.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Why a request is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The URL is none that is followed.
    #[error("{0}")]
    Url(#[from] BadUrl),
    /// The host is not among those that are allowed.
    #[error("the host {0} is not the source's: name it in `redirect_hosts` if it may be asked")]
    Host(Host),
    /// The port is not among those that are allowed.
    #[error("the port {0} is neither 80 nor 443: name it in `ports` if it may be asked")]
    Port(u16),
    /// One of the addresses of the host is not public.
    #[error("the address {address} of {host} is {what}: name its network in `networks` if it may be asked")]
    Address { host: Host, address: IpAddr, what: &'static str },
    /// A redirect leads from TLS to plain text.
    #[error("a redirect leads from https to http")]
    Downgrade,
    /// There are too many redirects.
    #[error("there are more than {0} redirects")]
    Redirects(usize),
}

/// What may be connected to.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// The host and the port of the source itself.
    pub(super) own: (Host, u16),
    pub(super) hosts: Vec<Host>,
    pub(super) networks: Vec<Network>,
    pub(super) ports: Vec<u16>,
}

impl Guard {
    /// Checks scheme, host and port of a URL.
    pub(super) fn check(&self, target: &Target) -> Result<(), Refusal> {
        let (host, port) = (&target.host, target.port);
        if *host != self.own.0 && !self.hosts.contains(host) {
            return Err(Refusal::Host(host.clone()));
        }
        let is_own = (host, port) == (&self.own.0, self.own.1);
        if !is_own && ![80, 443].contains(&port) && !self.ports.contains(&port) {
            return Err(Refusal::Port(port));
        }
        match host {
            Host::Address(address) => self.check_addresses(host, &[*address]),
            Host::Name(_) => Ok(()),
        }
    }

    /// Checks all addresses of a host. One that may not be asked rules out the others: no public host has such.
    fn check_addresses(&self, host: &Host, addresses: &[IpAddr]) -> Result<(), Refusal> {
        for &address in addresses {
            let is_named = self.networks.iter().any(|network| network.contains(address));
            if let Some(what) = special_use(address).filter(|_| !is_named) {
                return Err(Refusal::Address { host: host.clone(), address, what });
            }
        }
        Ok(())
    }

    async fn connect(&self, resolver: &dyn Resolve, uri: &Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
        let target = Target::parse(&uri.to_string()).map_err(Refusal::from)?;
        self.check(&target)?;
        let addresses = match &target.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => timeout(CONNECT_TIMEOUT, resolver.resolve(name)).await??,
        };
        self.check_addresses(&target.host, &addresses)?;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in addresses.into_iter().take(ADDRESSES) {
            let connecting = TcpStream::connect(SocketAddr::new(address, target.port));
            match timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => failure = error,
                Err(elapsed) => failure = elapsed.into(),
            }
        }
        Err(failure.into())
    }
}

/// Creates a client that connects to what the guard allows.
pub(super) fn client(guard: Arc<Guard>, resolver: Arc<dyn Resolve>) -> Result<HttpClient, rustls::Error> {
    let connect = tower::service_fn(move |uri: Uri| -> BoxFuture<'static, _> {
        let (guard, resolver) = (guard.clone(), resolver.clone());
        Box::pin(async move { guard.connect(&*resolver, &uri).await })
    });
    let tls = TLS.clone()?;
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connect);
    let connector = Connect::new(connector.map_response(Counted::new));
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT).http1_max_buf_size(BUFFER);
    Ok(builder.build(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_lets_through_what_is_named() {
        let host = |text: &str| Host::parse(text).unwrap();
        let guard = Guard {
            own: (host("cms.example.com"), 8443),
            hosts: vec![host("cdn.example.com"), host("10.0.0.7"), host("10.9.0.7"), host("[::1]")],
            networks: vec![Network::parse("10.0.0.0/24").unwrap()],
            ports: vec![8080],
        };
        let address = |host: Host, what| {
            let Host::Address(address) = host else { panic!("{host}") };
            Err(Refusal::Address { host, address, what })
        };
        let table = [
            ("https://cms.example.com:8443/x", Ok(())),
            ("https://cms.example.com/x", Ok(())),
            ("http://cms.example.com:8080/x", Ok(())),
            ("http://cms.example.com:8081/x", Err(Refusal::Port(8081))),
            ("https://cdn.example.com/x", Ok(())),
            ("https://cdn.example.com:8443/x", Err(Refusal::Port(8443))),
            ("https://example.com/x", Err(Refusal::Host(host("example.com")))),
            ("https://xcdn.example.com/x", Err(Refusal::Host(host("xcdn.example.com")))),
            ("http://10.0.0.7/", Ok(())),
            ("http://10.9.0.7/", address(host("10.9.0.7"), "private")),
            ("http://[::1]/", address(host("[::1]"), "loopback")),
        ];
        for (url, expected) in table {
            assert_eq!(guard.check(&Target::parse(url).unwrap()), expected, "{url}");
        }
    }
}
