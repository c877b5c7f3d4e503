use serde::Deserialize;

use super::*;
use crate::query::encode;

const NOW: u64 = 1_795_264_496;
const REQUEST_ID: &str = "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==";

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: Some("FwoGZXIvYXdzEXAMPLE//token==".to_owned()),
    }
}

fn target(service: Service) -> Target {
    Target {
        service,
        domain: "origin.example.com".to_owned(),
        region: "eu-west-1".to_owned(),
        path: String::new(),
        read_timeout_seconds: 30,
    }
}

/// Path and query as they are sent, for a service.
fn sent(path: &str, query: &str, service: Service) -> (String, String) {
    let path = reencode_path(path);
    let path = if service == Service::Lambda { remove_dot_segments(&path) } else { path };
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    (path, encode(pairs.iter().map(|(name, value)| (&**name, &**value))))
}

/// The headers of a signed request, as the origin receives them.
fn signed(path: &str, query: &str, service: Service) -> Headers {
    let also: &[_] = if service == Service::Lambda { &[] } else { &[("x-amz-cf-id", REQUEST_ID)] };
    let signable = Signable { method: "GET", path, query };
    let headers = signed_headers(signable, also, &target(service), &credentials(), NOW).unwrap();
    let mut headers: Headers =
        headers.into_iter().chain(also.iter().map(|(n, v)| ((*n).into(), (*v).into()))).collect();
    headers.set("host", "origin.example.com");
    headers.set("user-agent", "Amazon CloudFront");
    headers
}

fn verify_sent(path: &str, query: &str, service: Service, headers: &Headers) -> Result<(), VerifyError> {
    verify(Signable { method: "GET", path, query }, headers, &target(service), &credentials(), NOW)
}

/// `fixtures/sigv4/generate.py` computes the canonical forms and the signatures independently, with botocore.
#[test]
fn botocore_computes_the_same_signatures() {
    let table = include_str!("../../../../fixtures/sigv4/botocore.tsv");
    let mut cases = 0;
    for line in table.split_terminator('\n') {
        let columns: Vec<&str> = line.split('\t').collect();
        let [path, query, of_lambda, of_s3] = columns[..] else { panic!("{line:?} has not four columns") };
        for (service, expected) in [(Service::Lambda, of_lambda), (Service::S3ObjectLambda, of_s3)] {
            let (path, query) = sent(path, query, service);
            let headers = signed(&path, &query, service);
            let authorization = headers.single("authorization").unwrap();
            let (_, signature) = authorization.rsplit_once("Signature=").unwrap();
            assert_eq!(&signature[..16], expected, "{service:?}: {line:?}");
            assert_eq!(verify_sent(&path, &query, service, &headers), Ok(()), "{service:?}: {line:?}");
        }
        cases += 1;
    }
    assert_eq!(cases, 5000);
}

#[test]
fn the_published_vectors_pass() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        uri: String,
        headers: Vec<(String, String)>,
        authorization: String,
    }

    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../../../fixtures/sigv4/aws-vectors.json")).unwrap();
    assert!(vectors.len() > 15);
    let credentials = Credentials { session_token: None, ..credentials() };
    let target = Target {
        domain: "example.amazonaws.com".to_owned(),
        region: "us-east-1".to_owned(),
        ..target(Service::Lambda)
    };
    let signer = Signer { target: &target, credentials: &credentials, service: "service", s3: false };
    for Vector { name, uri, headers, authorization } in vectors {
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        let (path, query) = sent(path, query, Service::Lambda);
        let also: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let signable = Signable { method: "GET", path: &path, query: &query };
        let result = signer.sign(signable, &also, 1_440_938_160).unwrap();
        assert!(result.contains(&("authorization".to_owned(), authorization)), "{name}: {result:?}");
    }
}

#[test]
fn a_change_of_any_byte_is_refused() {
    for service in [Service::Lambda, Service::S3ObjectLambda, Service::S3] {
        let (path, query) = sent("/kätzchen/a b(1)+.jpg", "crop=1,2,3,4&w=300&a=%2B", service);
        let headers = signed(&path, &query, service);
        assert_eq!(verify_sent(&path, &query, service, &headers), Ok(()));
        for changed in changes(&path) {
            assert!(verify_sent(&changed, &query, service, &headers).is_err(), "{service:?} {changed}");
        }
        for changed in changes(&query) {
            assert!(verify_sent(&path, &changed, service, &headers).is_err(), "{service:?} {changed}");
        }
        for (name, value) in headers.iter().filter(|(name, _)| *name != "user-agent") {
            for changed in changes(value) {
                let mut headers = headers.clone();
                headers.set(name, changed);
                assert!(verify_sent(&path, &query, service, &headers).is_err(), "{service:?} {name}");
            }
            let mut headers = headers.clone();
            headers.remove(name);
            assert!(verify_sent(&path, &query, service, &headers).is_err(), "{service:?} without {name}");
        }
        let head = Signable { method: "HEAD", path: &path, query: &query };
        assert_eq!(verify(head, &headers, &target(service), &credentials(), NOW), Err(VerifyError::Signature));
    }
}

/// Every text that differs in one byte, by the lowest bit or by letter case, and every text with one byte less.
fn changes(text: &str) -> Vec<String> {
    let replaced = text.char_indices().filter(|(_, c)| c.is_ascii()).flat_map(|(at, c)| {
        let mut others = vec![char::from(c as u8 ^ 1)];
        if c.is_ascii_alphabetic() {
            others.push(char::from(c as u8 ^ 0x20));
        }
        others.into_iter().map(move |other| format!("{}{other}{}", &text[..at], &text[at + 1..]))
    });
    let shortened = text.char_indices().filter(|(_, c)| c.is_ascii());
    let shortened = shortened.map(|(at, _)| format!("{}{}", &text[..at], &text[at + 1..]));
    replaced.chain(shortened).filter(|changed| changed != text).collect()
}

#[test]
fn a_signature_is_good_for_five_minutes() {
    let headers = signed("/a", "", Service::Lambda);
    let signable = Signable { method: "GET", path: "/a", query: "" };
    for (now, expected) in [
        (NOW, Ok(())),
        (NOW + 300, Ok(())),
        (NOW - 300, Ok(())),
        (NOW + 301, Err(VerifyError::Date)),
        (NOW - 301, Err(VerifyError::Date)),
        (0, Err(VerifyError::Date)),
        (u64::MAX, Err(VerifyError::Date)),
    ] {
        assert_eq!(verify(signable, &headers, &target(Service::Lambda), &credentials(), now), expected, "{now}");
    }
}

#[test]
fn what_is_unsigned_is_refused() {
    let good = signed("/a", "", Service::S3);
    let with = |name: &str, value: &str| {
        let mut headers = good.clone();
        headers.set(name, value);
        verify_sent("/a", "", Service::S3, &headers)
    };
    assert_eq!(with("x-amz-acl", "public-read"), Err(VerifyError::HeaderUnsigned));
    assert_eq!(with("authorization", ""), Err(VerifyError::Unsigned));
    assert_eq!(with("authorization", "AWS4-HMAC-SHA256"), Err(VerifyError::Unsigned));
    assert_eq!(with("authorization", "Bearer x"), Err(VerifyError::Unsigned));
    assert_eq!(with("x-amz-date", "20261121T123456+"), Err(VerifyError::Date));
    assert_eq!(with("x-amz-security-token", "other"), Err(VerifyError::Credential));
    assert_eq!(with("host", "other.example.com"), Err(VerifyError::Signature));
    assert_eq!(verify_sent("/a%41", "", Service::S3, &good), Err(VerifyError::NotCanonical));
    assert_eq!(verify_sent("/a", "b", Service::S3, &good), Err(VerifyError::NotCanonical));
    assert_eq!(
        verify_sent("/a/../a", "", Service::Lambda, &signed("/a", "", Service::Lambda)),
        Err(VerifyError::NotCanonical)
    );
}

#[test]
fn dates_are_read_as_the_calendar_has_them() {
    let table = [
        ("19700101T000000Z", Some(0)),
        ("20150830T123600Z", Some(1_440_938_160)),
        ("20261121T123456Z", Some(NOW)),
        ("20240229T235959Z", Some(1_709_251_199)),
        ("20240301T000000Z", Some(1_709_251_200)),
        ("99991231T235959Z", Some(253_402_300_799)),
        ("19691231T235959Z", None),
        ("20261321T123456Z", None),
        ("20261121T123456", None),
        ("20261121 123456Z", None),
        ("2026112éT12345Z", None),
        ("", None),
    ];
    for (text, expected) in table {
        assert_eq!(parse_date(text), expected, "{text}");
    }
}
