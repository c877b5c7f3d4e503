//! Parts of a response for S3 clients: byte ranges and numbered parts of a fixed size. S3 Object Lambda leaves both to
//! the function ("Working with Range and partNumber headers" in the S3 user guide).

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::origin::{Content, OriginResponse, RangeRequest, range, unsatisfiable};

/// The size in bytes of a part, as counted by `partNumber`.
const PART: u64 = 5 << 20;

/// The header with the number of parts.
pub(super) const PARTS_COUNT: &str = "x-amz-mp-parts-count";

/// The requested part of a complete response, or all of it.
pub(super) fn of(response: OriginResponse, query: &str, headers: &HeaderMap) -> OriginResponse {
    let (StatusCode::OK, Some(Content { length, .. })) = (response.status, response.content()) else { return response };
    let parameter = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    if let Some(number) = parameter("partNumber") {
        return numbered(response, &number, length);
    }
    let mut headers = headers.clone();
    if let Some(Ok(value)) = parameter("Range").map(HeaderValue::try_from) {
        headers.insert(header::RANGE, value);
    }
    match range(&headers, &response.validators.tag, response.validators.modified, length) {
        RangeRequest::All => response,
        RangeRequest::Part(part) => response.part(part),
        RangeRequest::Unsatisfiable => unsatisfiable("answer", length),
    }
}

/// A part by its number, starting at 1. An empty response has one empty part.
fn numbered(response: OriginResponse, number: &str, length: u64) -> OriginResponse {
    let count = length.div_ceil(PART).max(1);
    let Some(number) = number.parse::<u64>().ok().filter(|number| (1..=count).contains(number)) else {
        return unsatisfiable("answer", length);
    };
    let start = (number - 1) * PART;
    let mut response = if length == 0 { response } else { response.part(start..(start + PART).min(length)) };
    response.headers.insert(PARTS_COUNT, count.into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Body;

    #[test]
    fn parts_are_ranges_or_numbered() {
        let length = 2 * PART + 7;
        let table = [
            ("", "", 200, length, None),
            ("", "bytes=1-3", 206, 3, Some("bytes 1-3/10485767")),
            ("Range=bytes%3D-5", "", 206, 5, Some("bytes 10485762-10485766/10485767")),
            ("", "bytes=99999999-", 416, 0, Some("bytes */10485767")),
            ("partNumber=1", "", 206, PART, Some("bytes 0-5242879/10485767")),
            ("partNumber=3", "", 206, 7, Some("bytes 10485760-10485766/10485767")),
            ("partNumber=4", "", 416, 0, Some("bytes */10485767")),
            ("partNumber=0", "", 416, 0, Some("bytes */10485767")),
            ("partNumber=x", "", 416, 0, Some("bytes */10485767")),
        ];
        for (query, ranged, status, expected, shown) in table {
            let body = Body::Bytes(bytes::Bytes::from(vec![0; length as usize]).into());
            let content = Content { media_type: "image/png", length };
            let whole = OriginResponse::whole(body, content);
            let mut wanted = HeaderMap::new();
            if !ranged.is_empty() {
                wanted.insert(header::RANGE, ranged.parse().unwrap());
            }
            let part = of(whole, query, &wanted);
            assert_eq!(part.status, status, "{query}{ranged}");
            let shown_now = part.headers.get(header::CONTENT_RANGE).map(|value| value.to_str().unwrap());
            assert_eq!(shown_now, shown, "{query}{ranged}");
            if status < 300 {
                assert_eq!(part.body.len(), expected, "{query}{ranged}");
            }
        }
    }
}
