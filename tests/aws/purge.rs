//! Taking answers back: by hand, and when an original changes.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Instant;

use image_origin::origin::freshness::{folder_tag, key_tag};
use serde_json::{Value, json};

use super::cloudfront::CloudFront;
use super::lambda::{Function, event};
use super::program::{Program, command};
use super::store::{BUCKET, Store};
use crate::common::{Response, fixtures};

/// `image-origin purge` with these arguments and variables.
fn purge(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command().arg("purge").args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_purge_says_what_it_would_do_and_does_it_on_demand() {
    let cloudfront = CloudFront::failing(&[(503, "ServiceUnavailable"), (400, "TooManyInvalidationsInProgress")]);
    let endpoint = cloudfront.url();
    let environment = [("AWS_ENDPOINT_URL_CLOUDFRONT", endpoint.as_str())];
    let targets =
        ["photos/a b.jpg", "/photos/a b.jpg", "--folder", "photos/2026/", "--preset", "card", "--tag", "shoes"];
    let arguments = [&["--distribution", "E2EXAMPLE"][..], &targets].concat();
    let tags = [key_tag("photos/a b.jpg"), folder_tag("photos/2026"), "p-card".to_owned(), "shoes".to_owned()];

    let would = printed(&purge(&arguments, &environment));
    assert!(would.contains(&format!("the original photos/a b.jpg: #{}", tags[0])), "{would}");
    assert!(would.ends_with("dry run: use --yes to purge\n"), "{would}");
    assert_eq!(cloudfront.batches(), []);

    let done = printed(&purge(&[&arguments[..], &["--yes"]].concat(), &environment));
    assert!(done.ends_with("created invalidation I2J0I21PCUYOIK of 4 items\n"), "{done}");
    let batches = cloudfront.batches();
    let mut expected: Vec<String> = tags.iter().map(|tag| format!("#{tag}")).collect();
    expected.sort();
    assert_eq!(batches.len(), 3, "twice CloudFront was busy");
    assert!(batches.iter().all(|batch| batch.items == expected && batch.reference == batches[0].reference));

    let arguments = ["--distribution", "E2EXAMPLE", "--paths", "--yes", "a b.jpg", "--folder", "x"];
    printed(&purge(&arguments, &environment));
    let paths = cloudfront.batches();
    assert_eq!(paths[0].items, ["/a%20b.jpg*", "/x/*"]);
    assert_ne!(paths[0].reference, batches[0].reference);
}

#[test]
fn a_purge_that_cannot_be_done_says_why() {
    let denied = CloudFront::failing(&[(403, "AccessDenied")]);
    let endpoint = denied.url();
    let table: [(&[&str], &str, i32); 7] = [
        (&["--distribution", "E2EXAMPLE"], "nothing to purge: expected keys", 2),
        (&["a.jpg"], "no cache to purge", 2),
        (&["--distribution", "E2EXAMPLE", "--tag", "a,b"], "invalid cache tag \"a,b\"", 2),
        (&["--distribution", "E2EXAMPLE", "--paths", "--preset", "card"], "by tag only", 2),
        (&["--distribution", "E2EXAMPLE", "/"], "cannot be empty", 2),
        (&["--distribution", "a.b", "a.jpg", "--yes"], "a.b is not the id of a distribution", 1),
        (
            &["--distribution", "E2EXAMPLE", "a.jpg", "--yes"],
            "CloudFront responded with 403 AccessDenied: Processing your request & others",
            1,
        ),
    ];
    for (arguments, message, code) in table {
        let output = purge(arguments, &[("AWS_ENDPOINT_URL_CLOUDFRONT", &endpoint)]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(message), "{arguments:?}: {text}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let typo = folder.path().join("typo");
    for reason in ["No such file or directory", "no server has stored results in this folder"] {
        let output = purge(&["a.jpg", "--yes", "--results", &format!("dir:{}", typo.display())], &[]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text, format!("image-origin: there are no results in {}: {reason}\n", typo.display()));
        assert_eq!(output.status.code(), Some(1));
        if !typo.exists() {
            std::fs::create_dir(&typo).unwrap();
        }
        assert_eq!(std::fs::read_dir(&typo).unwrap().count(), 0);
    }
    // Nobody listens there.
    let gone = "http://127.0.0.1:1";
    let output = purge(&["--distribution", "E2EXAMPLE", "--endpoint", gone, "a.jpg", "--yes"], &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.matches("retrying in").count(), 4, "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
    let nobody = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_CONFIG_FILE", "/nonexistent")];
    let output = purge(&["--distribution", "E2EXAMPLE", "a.jpg", "--yes"], &nobody);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no AWS credentials found"), "{output:?}");
}

/// Where an answer came from: `made`, or the cache that had it.
fn provenance(response: &Response) -> &str {
    response.header("server-timing").unwrap().strip_prefix("cache;desc=").unwrap_or("made")
}

#[test]
fn a_purge_removes_the_results_of_an_original() {
    let store = Store::with_photo();
    store.put("other.jpg", &std::fs::read(fixtures().join("photo.jpg")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("http://{}", store.address);
    for place in [format!("s3://{BUCKET}/results"), format!("dir:{}", folder.path().display())] {
        let environment = [
            ("IMAGE_ORIGIN_RESULTS", place.as_str()),
            ("IMAGE_ORIGIN_S3_ENDPOINT", endpoint.as_str()),
            ("IMAGE_ORIGIN_S3_PATH_STYLE", "true"),
            ("IMAGE_ORIGIN_RESULTS_TIMEOUT", "30"),
            ("IMAGE_ORIGIN_CACHE", "0"),
        ];
        let ask = |expected: [&str; 3]| {
            let program = Program::serve(store.address, &environment);
            for (target, expected) in ["/photo.jpg?w=30", "/photo.jpg?w=31", "/other.jpg?w=30"].iter().zip(expected) {
                assert_eq!(provenance(&program.get(target)), expected, "{target}");
                // They are stored after they were sent.
                while provenance(&program.get(target)) != "stored" {}
            }
        };
        ask(["made"; 3]);
        let would = printed(&purge(&["photo.jpg", "missing.jpg"], &environment));
        assert!(would.contains("the original photo.jpg: 2 stored results of "), "{place}: {would}");
        assert!(would.contains("the original missing.jpg: 0 stored results of 0 bytes"), "{would}");
        ask(["stored"; 3]);
        assert!(printed(&purge(&["/photo.jpg", "--yes"], &environment)).contains("removed 2 results"));
        ask(["made", "made", "stored"]);
    }
}

/// Messages of a queue that say that these originals have changed.
fn queue(keys: impl IntoIterator<Item = String>) -> Value {
    let (mut event, mut message) = (event("queue.json"), event("object-created.json"));
    message["detail"]["bucket"]["name"] = json!(BUCKET);
    let record = event["Records"][0].take();
    let records = keys.into_iter().enumerate().map(|(at, key)| {
        let mut record = record.clone();
        message["detail"]["object"]["key"] = json!(key);
        record["body"] = json!(message.to_string());
        record["messageId"] = json!(format!("message-{at}"));
        record
    });
    event["Records"] = records.collect();
    event
}

/// A function that tells this API of changed originals.
fn invalidator(api: &str, distribution: &str) -> Function {
    let source = format!("s3://{BUCKET}");
    Function::start(&[
        ("IMAGE_ORIGIN_SOURCE", &source),
        ("IMAGE_ORIGIN_LAMBDA_DISTRIBUTION", distribution),
        ("AWS_ENDPOINT_URL_CLOUDFRONT", api),
    ])
}

fn failures(reply: &super::lambda::Reply) -> usize {
    assert_eq!(reply.kind, "response", "{reply:?}");
    reply.json()["batchItemFailures"].as_array().unwrap().len()
}

#[test]
fn ten_thousand_uploads_are_a_few_calls() {
    let cloudfront = CloudFront::failing(&[(400, "Throttling")]);
    let function = invalidator(&cloudfront.url(), "E2EXAMPLE");
    let keys: Vec<String> = (0..10_000).map(|at| format!("{}/{at}.jpg", at / 500)).collect();
    for keys in keys.chunks(3000) {
        assert_eq!(failures(&function.invoke(queue(keys.to_vec()))), 0);
    }
    let batches = cloudfront.batches();
    assert_eq!(batches.len(), 5, "one was throttled");
    assert_eq!(batches[0], batches[1]);
    let mut items: Vec<_> = batches[1..].iter().flat_map(|batch| batch.items.clone()).collect();
    items.sort();
    let mut expected: Vec<_> = keys.iter().map(|key| format!("#{}", key_tag(key))).collect();
    expected.sort();
    assert!(items == expected, "each original once");
    // A folder of its own for all of them, and the same one over and over.
    assert_eq!(failures(&function.invoke(queue((0..3000).map(|at| format!("bulk/{at}.jpg"))))), 0);
    assert_eq!(failures(&function.invoke(queue((0..3000).map(|_| "a.jpg".to_owned())))), 0);
    let tags = [format!("#{}", folder_tag("bulk")), format!("#{}", key_tag("a.jpg"))];
    assert_eq!(
        cloudfront.batches().iter().map(|batch| batch.items.clone()).collect::<Vec<_>>(),
        tags.map(|tag| vec![tag])
    );
}

#[test]
fn what_cannot_be_passed_on_goes_back_to_the_queue() {
    let cloudfront = CloudFront::failing(&[(403, "AccessDenied")]);
    let function = invalidator(&cloudfront.url(), "E2EXAMPLE");
    assert_eq!(failures(&function.invoke(queue(["a.jpg", "b.jpg"].map(str::to_owned)))), 2);
    let mut event = queue(["a.jpg", "b.jpg", "c.jpg"].map(str::to_owned));
    event["Records"][1]["body"] = json!("Test message.");
    let reply = function.invoke(event);
    assert_eq!(reply.json(), json!({"batchItemFailures": [{"itemIdentifier": "message-1"}]}));
    assert_eq!(cloudfront.batches().last().unwrap().items.len(), 2);
    // Other buckets' objects are nobody's originals, and nobody is told of them.
    let mut other = event_of("a.jpg");
    other["detail"]["bucket"]["name"] = json!("another-bucket");
    assert_eq!(function.invoke(other).kind, "response");
    assert_eq!(cloudfront.batches(), []);
    let nobody = Function::start(&[]);
    let reply = nobody.invoke(event_of("a.jpg"));
    assert_eq!((reply.kind, reply.json()["errorType"].as_str()), ("error", Some("NoDistribution")));
}

#[test]
fn new_originals_cost_no_invalidation_where_the_bucket_tells_them_from_replaced_ones() {
    let (store, cloudfront) = (Store::start(), CloudFront::failing(&[]));
    for key in ["new.jpg", "old.jpg", "old.jpg.versions/1", "denied/a.jpg"] {
        store.put(key, b"x");
    }
    let (source, endpoint, api) = (format!("s3://{BUCKET}"), format!("http://{}", store.address), cloudfront.url());
    let function = Function::start(&[
        ("IMAGE_ORIGIN_SOURCE", &source),
        ("IMAGE_ORIGIN_LAMBDA_DISTRIBUTION", "E2EXAMPLE"),
        ("IMAGE_ORIGIN_LAMBDA_INVALIDATE", "replaced"),
        ("IMAGE_ORIGIN_S3_ENDPOINT", &endpoint),
        ("IMAGE_ORIGIN_S3_PATH_STYLE", "true"),
        ("AWS_ENDPOINT_URL_CLOUDFRONT", &api),
    ]);
    // What S3 does not tell counts as replaced.
    assert_eq!(failures(&function.invoke(queue(["new.jpg", "old.jpg", "denied/a.jpg"].map(str::to_owned)))), 0);
    let mut expected = ["old.jpg", "denied/a.jpg"].map(|key| format!("#{}", key_tag(key)));
    let mut told = cloudfront.batches().remove(0).items;
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
    assert_eq!(store.requests().len(), 2);
    let mut deleted = event("object-deleted.json");
    deleted["detail"]["bucket"]["name"] = json!(BUCKET);
    assert_eq!(function.invoke(deleted).kind, "response");
    assert_eq!(cloudfront.batches().len(), 1, "a deleted one was there");
    assert_eq!(store.requests(), Vec::<String>::new());
}

/// EventBridge's own event, without a queue.
fn event_of(key: &str) -> Value {
    let mut event = event("object-created.json");
    event["detail"]["bucket"]["name"] = json!(BUCKET);
    event["detail"]["object"]["key"] = json!(key);
    event
}

fn cache(response: &Response) -> &str {
    response.header("x-cache").unwrap_or("nothing").trim_end_matches(" from cloudfront")
}

fn local_cdn(store: SocketAddr) -> Program {
    Program::serve_with(store, &["--cdn"], &[])
}

#[test]
fn a_changed_original_is_new_in_every_size_and_nothing_else_is_forgotten() {
    let store = Store::start();
    let read = |name: &str| std::fs::read(fixtures().join(name)).unwrap();
    store.put("album/a.jpg", &read("photo.jpg"));
    store.put("album/b.jpg", &read("photo.jpg"));
    let cdn = local_cdn(store.address);
    let function = invalidator(&format!("http://{}", cdn.address), "LOCAL");
    let sizes = ["/album/a.jpg?w=40", "/album/a.jpg?w=60&format=webp", "/album/a.jpg"];
    let others = ["/album/b.jpg?w=40", "/album/b.jpg", "/album/c.jpg?w=40"];
    let first = sizes.map(|target| cdn.get(target));
    for target in sizes.iter().chain(&others) {
        cdn.get(target);
        let again = cdn.get(target);
        let expected = if target.contains("c.jpg") { "Error" } else { "Hit" };
        assert_eq!(cache(&again), expected, "{target}");
        assert!(again.header("cache-tag").is_none(), "tags are for the CDN");
    }
    store.put("album/a.jpg", &read("photo.png"));
    for (target, first) in sizes.iter().zip(&first) {
        let old = cdn.get(target);
        assert_eq!((cache(&old), old.body == first.body), ("Hit", true), "{target}: nobody has told the CDN");
    }
    let told = Instant::now();
    assert_eq!(failures(&function.invoke(queue(["album/a.jpg".to_owned()]))), 0);
    let forgotten = told.elapsed();
    for (target, first) in sizes.iter().zip(&first) {
        let new = cdn.get(target);
        assert_eq!((new.status, cache(&new)), (200, "Miss"), "{target}");
        assert!(new.body != first.body, "{target}");
    }
    println!("forgotten {forgotten:?} after the event, three new sizes {:?} after it", told.elapsed());
    for target in others {
        assert!(matches!(cache(&cdn.get(target)), "Hit" | "Error"), "{target}");
        assert!(cdn.get(target).header("age").is_some(), "{target} is still there");
    }
    // What was not there is, once it has come.
    assert_eq!(cdn.get(others[2]).status, 404);
    store.put("album/c.jpg", &read("photo.jpg"));
    assert_eq!(function.invoke(event_of("album/c.jpg")).kind, "response");
    assert_eq!(cdn.get(others[2]).status, 200);
    // By hand, without credentials, as on a laptop.
    let endpoint = format!("http://{}", cdn.address);
    let nobody = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_CONFIG_FILE", "/nonexistent")];
    let arguments = ["--distribution", "LOCAL", "--endpoint", &endpoint, "--folder", "album", "--yes"];
    printed(&purge(&arguments, &nobody));
    assert!(sizes.iter().chain(&others).all(|target| cache(&cdn.get(target)) == "Miss"));
}
