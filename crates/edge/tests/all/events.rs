//! The documents that AWS publishes are read, and written back as they were.

use image_origin_edge::{Event, Origin, Trigger};
use serde_json::Value;

#[test]
fn published_events_survive_a_round_trip() {
    let table = [
        (include_str!("../../../../fixtures/events/viewer-request.json"), Trigger::ViewerRequest),
        (include_str!("../../../../fixtures/events/origin-request.json"), Trigger::OriginRequest),
        (include_str!("../../../../fixtures/events/origin-request-s3.json"), Trigger::OriginRequest),
        (include_str!("../../../../fixtures/events/origin-response.json"), Trigger::OriginResponse),
        (include_str!("../../../../fixtures/events/viewer-response.json"), Trigger::ViewerResponse),
    ];
    for (json, trigger) in table {
        let event: Event = serde_json::from_str(json).unwrap();
        let cf = &event.records[0].cf;
        assert_eq!(cf.config.event_type, trigger);
        assert_eq!(cf.config.distribution_id, "EDFDVBD6EXAMPLE");
        assert!(cf.config.request_id.starts_with("4TyzHTaYWb1GX1qTfsHhEqV6HUDd_"));
        assert_eq!(cf.request.client_ip, "203.0.113.178");
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(json).unwrap(), "{trigger:?}");
    }
}

#[test]
fn published_origins_are_told_apart() {
    let origin = |json: &str| {
        let event: Event = serde_json::from_str(json).unwrap();
        event.into_cf().unwrap().request.origin.unwrap()
    };
    let Origin::Custom(custom) = origin(include_str!("../../../../fixtures/events/origin-request.json")) else {
        panic!()
    };
    assert_eq!((custom.domain_name.as_str(), custom.port, custom.read_timeout), ("example.org", 443, 30));
    let Origin::S3(s3) = origin(include_str!("../../../../fixtures/events/origin-request-s3.json")) else { panic!() };
    assert_eq!((s3.domain_name.as_str(), s3.region.as_str()), ("my-bucket.s3.amazonaws.com", "us-east-1"));
    assert_eq!(s3.custom_headers.single("my-origin-custom-header"), Some("Test"));
}

#[test]
fn an_event_without_a_record_has_none() {
    assert!(serde_json::from_str::<Event>(r#"{"Records": []}"#).unwrap().into_cf().is_none());
    assert!(serde_json::from_str::<Event>(r#"{"Records": [{"cf": {}}]}"#).is_err());
}
