//! TLS before a store and before a web server: a server with a certificate of its own, `localhost.pem`.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::program::Program;
use super::store::Store;
use crate::common::Server;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/localhost.pem");

/// Files without a certificate that is to be trusted.
const WITHOUT_CERTIFICATES: [&str; 2] = ["/dev/null", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")];

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_file(CERTIFICATE).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
}

/// Listens for TLS and hands on what is in it; the endpoint is what comes back.
fn before(server: SocketAddr) -> String {
    let (started, start) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            started.send(listener.local_addr().unwrap().port()).unwrap();
            let acceptor = acceptor();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
    });
    format!("https://localhost:{}", start.recv().unwrap())
}

#[test]
fn a_store_is_asked_over_tls_if_its_certificate_is_trusted() {
    let store = Store::with_photo();
    let endpoint = before(store.address);
    let serve = |trusted| {
        let environment = [("IMAGE_ORIGIN_S3_ENDPOINT", endpoint.as_str()), ("SSL_CERT_FILE", trusted)];
        Program::serve(store.address, &environment)
    };
    let trusting = serve(CERTIFICATE);
    for width in [20, 21] {
        assert_eq!(trusting.get(&format!("/photo.jpg?w={width}")).status, 200);
    }
    for none in WITHOUT_CERTIFICATES {
        assert_eq!(serve(none).get("/photo.jpg?w=20").outcome(), (502, "source_failed".to_owned()), "{none}");
    }
}

#[test]
fn a_web_server_is_asked_over_tls_if_its_certificate_is_trusted_and_for_this_host() {
    let web = Server::start();
    let url = before(web.address);
    let port = url.rsplit_once(':').unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let serve = |host, trusted| {
        let source =
            format!("path = \"/*\"\nfrom = \"https://{host}:{port}/\"\nports = [{port}]\nnetworks = [\"127.0.0.1\"]");
        std::fs::write(&file, format!("[[sources]]\n{source}\n")).unwrap();
        Program::configured(&file, &[("SSL_CERT_FILE", trusted)])
    };
    let trusting = serve("localhost", CERTIFICATE);
    for width in [20, 21] {
        assert_eq!(trusting.get(&format!("/photo.jpg?w={width}")).status, 200);
    }
    // The certificate is for the name.
    assert_eq!(serve("127.0.0.1", CERTIFICATE).get("/photo.jpg?w=20").outcome(), (502, "source_failed".to_owned()));
    for none in WITHOUT_CERTIFICATES {
        let answer = serve("localhost", none).get("/photo.jpg?w=20");
        assert_eq!(answer.outcome(), (502, "source_failed".to_owned()), "{none}");
    }
}
