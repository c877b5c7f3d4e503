//! What an HTTP source may be led to: every notation of an address, redirects, and DNS whose answers change.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_origin::source::http::{Host, Http, HttpSettings, Network, Resolve};
use image_origin::source::{BoxFuture, GetOptions, GetResult, Key, Source, SourceError, SourceSettings};

/// A web server that answers every request with the same head and a small picture, and keeps what it was asked.
struct WebServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl WebServer {
    /// Listens on this address of the loopback network. `head` makes the lines after the status of a request's head.
    fn on(address: [u8; 4], head: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::from(address), 0)).unwrap();
        Self::listening(listener, head)
    }

    fn listening(listener: TcpListener, head: impl Fn(&str) -> String + Send + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = asked.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client: TcpStream = client.unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 1024];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    match client.read(&mut buffer) {
                        Ok(length @ 1..) => request.extend_from_slice(&buffer[..length]),
                        _ => break,
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let head = head(&request);
                log.lock().unwrap().push(request);
                let _ = client.write_all(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes());
                let _ = client.write_all(PICTURE);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

const PICTURE: &[u8] = b"P5 1 1 255\n\x80";

/// The head of a response with the picture.
fn found(_: &str) -> String {
    format!("200 OK\r\netag: \"1\"\r\ncontent-length: {}", PICTURE.len())
}

fn settings(http: HttpSettings) -> SourceSettings {
    SourceSettings { http, ..SourceSettings::default() }
}

fn networks(texts: &[&str]) -> Vec<Network> {
    texts.iter().map(|text| Network::parse(text).unwrap()).collect()
}

/// Answers with the same addresses, and counts how often it is asked.
struct Fixed(Vec<IpAddr>, AtomicUsize);

impl Fixed {
    fn at(addresses: &[&str]) -> Arc<Self> {
        Arc::new(Self(addresses.iter().map(|address| address.parse().unwrap()).collect(), AtomicUsize::new(0)))
    }
}

impl Resolve for Fixed {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

/// Asks a source for a picture: its bytes, or the error.
fn ask(source: &Http) -> Result<Vec<u8>, SourceError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = Key::from_url_path("/x.jpg").unwrap();
    runtime.block_on(async {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        match source.open(GetOptions { key: &key, version: None, if_none_match: None, deadline }).await? {
            GetResult::Object(object) => Ok(object.read(1000).await?.to_vec()),
            GetResult::NotModified(_) => panic!("nothing was held"),
        }
    })
}

/// The reason for which a source failed.
fn reason(asked: Result<Vec<u8>, SourceError>) -> String {
    match asked {
        Err(SourceError::Failed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_urls_are_refused_before_anything_is_connected_to() {
    let (address, host) = ("name its network in `networks`", "neither a name in ASCII nor an address");
    let (port, characters) = ("the port of the URL", "characters that have to be percent-encoded");
    let credentials = "the URL contains credentials";
    let table = [
        // Every kind of address that no public server has.
        ("http://0.0.0.0/", address),
        ("http://10.0.0.1/", address),
        ("http://100.64.0.1/", address),
        ("http://100.100.100.200/latest/meta-data/", address),
        ("http://127.0.0.1/", address),
        ("http://127.255.255.254/", address),
        ("http://168.63.129.16/", address),
        ("http://169.254.169.254/latest/meta-data/", address),
        ("http://172.16.0.1/", address),
        ("http://192.0.0.192/", address),
        ("http://192.0.2.1/", address),
        ("http://192.88.99.1/", address),
        ("http://192.168.0.1/", address),
        ("http://198.18.0.1/", address),
        ("http://198.51.100.1/", address),
        ("http://203.0.113.1/", address),
        ("http://224.0.0.1/", address),
        ("http://240.0.0.1/", address),
        ("http://255.255.255.255/", address),
        ("http://[::]/", address),
        ("http://[::1]/", address),
        ("http://[0:0:0:0:0:0:0:1]/", address),
        ("http://[::127.0.0.1]/", address),
        ("http://[::ffff:127.0.0.1]/", address),
        ("http://[::ffff:a9fe:a9fe]/", address),
        ("http://[::ffff:0:127.0.0.1]/", address),
        ("http://[64:ff9b::169.254.169.254]/", address),
        ("http://[64:ff9b:1::10.0.0.1]/", address),
        ("http://[100::1]/", address),
        ("http://[2001:0:7f00:1::]/", address),
        ("http://[2001:2::1]/", address),
        ("http://[2001:db8::1]/", address),
        ("http://[2002:7f00:1::]/", address),
        ("http://[2a00:1450::5efe:7f00:1]/", address),
        ("http://[3fff::1]/", address),
        ("http://[fd00:ec2::254]/", address),
        ("http://[fe80::1]/", address),
        ("http://[fec0::1]/", address),
        ("http://[ff02::1]/", address),
        // Every notation of one that some program reads as an address.
        ("http://2130706433/", host),
        ("http://0x7f000001/", host),
        ("http://0X7F.0.0.1/", host),
        ("http://0x7f.1/", host),
        ("http://017700000001/", host),
        ("http://0177.0.0.1/", host),
        ("http://127.1/", host),
        ("http://127.0.1/", host),
        ("http://127.0.0.1./", host),
        ("http://127.0.0.01/", host),
        ("http://127.0.0.256/", host),
        ("http://1.2.3.4.5/", host),
        ("http://[::1%25lo]/", host),
        ("http://[fe80::1%eth0]/", host),
        ("http://[127.0.0.1]/", host),
        ("http://[::1/", port),
        ("http://::1/", port),
        ("http://[::1]x/", host),
        ("http://\u{2460}\u{2461}\u{2466}.0.0.1/", characters),
        ("http://127\u{3002}0\u{3002}0\u{3002}1/", characters),
        ("http://b\u{fc}cher.example/", characters),
        ("http://%31%32%37.0.0.1/", host),
        ("http://localhost%00.example.com/", host),
        ("http://a.example./", host),
        ("http://a..example/", host),
        ("http://.a.example/", host),
        ("http://-a.example/", host),
        ("http:///etc/passwd", host),
        ("http://?x", host),
        // Credentials, ports, and what passes for them.
        ("http://user:password@example.com/", credentials),
        ("http://example.com@127.0.0.1/", credentials),
        ("http://example.com:80@127.0.0.1/", credentials),
        ("http://example.com:x/", port),
        ("http://example.com:/", port),
        ("http://example.com:0/", port),
        ("http://example.com:65536/", port),
        ("http://example.com:+80/", port),
        ("http://example.com:80:80/", port),
        ("http://example.com\\@127.0.0.1/", characters),
        ("http://example.com /", characters),
        ("http://example.com\t/", characters),
        ("http://example.com/\r\nhost: 127.0.0.1", characters),
        ("http://example.com/x y", characters),
        ("http://example.com/?key=", "without a query"),
        ("http://example.com/#fragment", "without a query"),
        // Other schemes.
        ("file:///etc/passwd", "unsupported source file://"),
        ("ftp://example.com/", "unsupported source ftp://"),
        ("gopher://127.0.0.1:6379/", "unsupported source gopher://"),
        ("dict://127.0.0.1:11211/", "unsupported source dict://"),
        ("HTTP://127.0.0.1/", "unsupported source HTTP://"),
        ("http+unix://%2Fvar%2Frun%2Fdocker.sock/", "unsupported source http+unix://"),
    ];
    assert!(table.len() >= 60, "{}", table.len());
    for (url, expected) in table {
        let error = image_origin::source::open(url, &SourceSettings::default()).map(drop).expect_err(url).to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("password@"), "{error}");
        assert_eq!(image_origin::source::check_place(url, &SourceSettings::default()).unwrap_err().to_string(), error);
    }
}

#[test]
fn hostile_redirects_are_refused() {
    let forbidden = WebServer::on([127, 0, 0, 2], found);
    let location = Arc::new(Mutex::new(String::new()));
    let told = location.clone();
    let redirecting = WebServer::on([127, 0, 0, 1], move |_| {
        format!("302 Found\r\nlocation: {}\r\ncontent-length: {}", told.lock().unwrap(), PICTURE.len())
    });
    let (own, port) = (redirecting.address, forbidden.address.port());
    let http = HttpSettings {
        redirect_hosts: ["localhost", "127.0.0.2", "[::1]", "[::ffff:127.0.0.2]", "0.0.0.0"]
            .map(|host| Host::parse(host).unwrap())
            .to_vec(),
        networks: networks(&["127.0.0.1"]),
        ports: vec![port],
        ..HttpSettings::default()
    };
    // The name of this machine leads to another address than the one that is named.
    let resolver = Fixed::at(&["127.0.0.2"]);
    let source = Http::with_resolver(&format!("http://{own}/media/"), &settings(http), resolver).unwrap();
    let (host, address) = ("is not the source's", "is loopback: name its network");
    let notation = "neither a name in ASCII nor an address";
    let table = [
        (format!("http://127.0.0.2:{port}/"), address),
        (format!("//127.0.0.2:{port}/"), address),
        (format!("http://localhost:{port}/"), address),
        (format!("http://LOCALHOST:{port}/"), address),
        (format!("http://[::1]:{port}/"), address),
        (format!("http://[::ffff:127.0.0.2]:{port}/"), "is IPv4-mapped: name its network"),
        (format!("http://0.0.0.0:{port}/"), "is of this network: name its network"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), host),
        ("http://example.com/".to_owned(), host),
        (format!("http://127.0.0.1.example.com:{port}/"), host),
        (format!("http://localhost.:{port}/"), notation),
        (format!("http://2130706434:{port}/"), notation),
        (format!("http://0x7f.2:{port}/"), notation),
        (format!("http://0177.0.0.2:{port}/"), notation),
        (format!("http://127.2:{port}/"), notation),
        (format!("http://127.0.0.1@127.0.0.2:{port}/"), "the URL contains credentials"),
        (format!("http://127.0.0.2:{port}\\@127.0.0.1/"), "characters that have to be percent-encoded"),
        ("http://127.0.0.1:1/".to_owned(), "the port 1 is neither 80 nor 443"),
        ("http://127.0.0.1:6379/".to_owned(), "the port 6379 is neither 80 nor 443"),
        ("file:///etc/passwd".to_owned(), "the scheme of the URL"),
        ("ftp://127.0.0.1/".to_owned(), "the scheme of the URL"),
        ("gopher://127.0.0.1:6379/_".to_owned(), "the scheme of the URL"),
        ("data:image/png;base64,AAAA".to_owned(), "the scheme of the URL"),
        ("///127.0.0.2/".to_owned(), notation),
    ];
    for (target, expected) in table {
        location.lock().unwrap().clone_from(&target);
        let reason = reason(ask(&source));
        assert!(reason.contains(expected), "{target}: {reason}");
        assert_eq!(redirecting.asked().len(), 1, "{target}: what is refused is not tried again");
        assert_eq!(forbidden.asked(), Vec::<String>::new(), "{target}");
    }
}

#[test]
fn redirects_are_followed_three_times_without_the_headers_of_the_source() {
    let elsewhere = WebServer::on([127, 0, 0, 1], found);
    let elsewhere_url = format!("http://localhost:{}/found", elsewhere.address.port());
    let first = WebServer::on([127, 0, 0, 1], move |request| {
        let count: usize = request.split("?left=").nth(1).map_or(usize::MAX, |rest| rest[..1].parse().unwrap());
        match count {
            0 => format!("307 X\r\nlocation: {elsewhere_url}\r\ncontent-length: {}", PICTURE.len()),
            count => {
                let left = if count == usize::MAX {
                    request.split("/hops/").nth(1).unwrap()[..1].parse().unwrap()
                } else {
                    count
                };
                format!("302 X\r\nlocation: y.jpg?left={}\r\ncontent-length: {}", left - 1, PICTURE.len())
            }
        }
    });
    let http = HttpSettings {
        headers: vec![(
            image_origin::source::http::header_name("authorization").unwrap(),
            image_origin::source::http::HeaderTemplate::parse("Bearer secret").unwrap(),
        )],
        redirect_hosts: vec![Host::parse("localhost").unwrap()],
        networks: networks(&["127.0.0.0/8"]),
        ports: vec![elsewhere.address.port()],
        ..HttpSettings::default()
    };
    let source = |hops: usize| {
        let url = format!("http://{}/hops/{hops}", first.address);
        Http::with_resolver(&url, &settings(http.clone()), Fixed::at(&["127.0.0.1"])).unwrap()
    };
    assert_eq!(ask(&source(2)).unwrap(), PICTURE);
    let own = first.asked();
    assert!(own.len() == 3 && own.iter().all(|head| head.contains("authorization: Bearer secret")), "{own:?}");
    assert!(own[1].starts_with("GET /hops/2/y.jpg?left=1 "), "{own:?}");
    let [asked] = elsewhere.asked().try_into().unwrap();
    assert!(asked.starts_with("GET /found HTTP/1.1") && !asked.contains("secret"), "{asked}");
    assert!(asked.to_lowercase().contains(&format!("host: localhost:{}", elsewhere.address.port())), "{asked}");
    let reason = reason(ask(&source(4)));
    assert!(reason.contains("there are more than 3 redirects"), "{reason}");
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
}

#[test]
fn every_address_of_an_answer_counts() {
    let server = WebServer::on([127, 0, 0, 1], found);
    let port = server.address.port();
    let http = HttpSettings { networks: networks(&["127.0.0.1"]), ..HttpSettings::default() };
    let ask_at = |addresses: &[&str]| {
        let resolver = Fixed::at(addresses);
        let url = format!("http://images.example.com:{port}/");
        ask(&Http::with_resolver(&url, &settings(http.clone()), resolver).unwrap())
    };
    assert_eq!(ask_at(&["127.0.0.1"]).unwrap(), PICTURE);
    let [asked] = server.asked().try_into().unwrap();
    assert!(asked.to_lowercase().contains(&format!("host: images.example.com:{port}\r\n")), "{asked}");
    let refused = [
        &["10.0.0.1"][..],
        &["127.0.0.1", "10.0.0.1"],
        &["127.0.0.1", "127.0.0.2"],
        &["127.0.0.1", "::1"],
        &["127.0.0.1", "::ffff:127.0.0.1"],
        &["127.0.0.1", "::127.0.0.1"],
        &["127.0.0.1", "64:ff9b::7f00:1"],
        &["127.0.0.1", "2002:7f00:1::"],
        &["127.0.0.1", "2001::1"],
        &["127.0.0.1", "169.254.169.254"],
        &["127.0.0.1", "100.100.100.200"],
        &["127.0.0.1", "0.0.0.0"],
        &["127.0.0.1", "224.0.0.1"],
        &["127.0.0.1", "fd00:ec2::254"],
    ];
    for addresses in refused {
        let reason = reason(ask_at(addresses));
        assert!(reason.contains("of images.example.com is"), "{addresses:?}: {reason}");
        assert_eq!(server.asked(), Vec::<String>::new(), "{addresses:?}");
    }
    assert!(reason(ask_at(&[])).contains("unreachable"));
}

/// A DNS server that answers the first question with one address, and all further ones with another.
struct RebindingDns {
    address: SocketAddr,
    questions: Arc<AtomicUsize>,
}

impl RebindingDns {
    fn start(first: Ipv4Addr, then: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, questions) = (socket.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let count = questions.clone();
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut packet) {
                let answer = if count.fetch_add(1, Ordering::SeqCst) == 0 { first } else { then };
                // The question again (RFC 1035, section 4.1): a response without errors, with one record that ends at once.
                let mut response = packet[..length].to_vec();
                response[2..8].copy_from_slice(&[0x84, 0, 0, 1, 0, 1]);
                response.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                response.extend(answer.octets());
                let _ = socket.send_to(&response, client);
            }
        });
        Self { address, questions }
    }
}

/// Asks a DNS server for the IPv4 addresses of hosts, each time anew.
struct AskingDns(SocketAddr);

impl Resolve for AskingDns {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
            let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in host.split('.') {
                question.push(label.len() as u8);
                question.extend(label.bytes());
            }
            question.extend([0, 0, 1, 0, 1]);
            socket.send_to(&question, self.0).await?;
            let mut response = [0; 512];
            let length = socket.recv(&mut response).await?;
            let octets: [u8; 4] = response[..length].last_chunk().copied().unwrap();
            Ok(vec![octets.into()])
        })
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_host_is_resolved_once_for_each_connection_and_that_answer_is_connected_to() {
    // The same port on the address that the second answer names, unless another test has it there.
    let (allowed, forbidden) = (0..100)
        .find_map(|_| {
            let allowed = WebServer::on([127, 0, 0, 2], found);
            let same_port = TcpListener::bind(("127.0.0.1", allowed.address.port())).ok()?;
            Some((allowed, WebServer::listening(same_port, found)))
        })
        .unwrap();
    let port = allowed.address.port();
    let dns = RebindingDns::start(Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::LOCALHOST);
    let http = HttpSettings { networks: networks(&["127.0.0.2"]), ..HttpSettings::default() };
    let url = format!("http://rebinding.example:{port}/");
    let source = Http::with_resolver(&url, &settings(http), Arc::new(AskingDns(dns.address))).unwrap();
    assert_eq!(ask(&source).unwrap(), PICTURE);
    // One question for one connection: had the host been resolved to be checked and again to be connected to, the forbidden
    // server would have been asked.
    assert_eq!(dns.questions.load(Ordering::SeqCst), 1);
    assert_eq!((allowed.asked().len(), forbidden.asked().len()), (1, 0));
    // The next connection is one to the new answer, which is checked as the first one was.
    let reason = reason(ask(&source));
    assert!(reason.contains("the address 127.0.0.1 of rebinding.example is loopback"), "{reason}");
    assert_eq!((dns.questions.load(Ordering::SeqCst), allowed.asked().len(), forbidden.asked().len()), (2, 0, 0));
}
