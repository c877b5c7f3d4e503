//! Parts of an answer, as callers of S3 ask for them: byte ranges, and numbered parts of a fixed size. S3 Object Lambda
//! leaves both to the function ("Working with Range and partNumber headers" in the S3 user guide).

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::error::{Code, Problem};
use crate::origin::{OriginResponse, RangeRequest, problem_response, range};

/// What `partNumber` counts in.
const PART: u64 = 5 << 20;

/// Where the number of parts is noted.
pub(super) const PARTS_COUNT: &str = "x-amz-mp-parts-count";

/// The part of a whole answer that the caller wants, or all of it.
pub(super) fn of(response: OriginResponse, query: &str, headers: &HeaderMap) -> OriginResponse {
    let length =
        response.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let (StatusCode::OK, Some(length)) = (response.status, length) else { return response };
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
    let text = |name: header::HeaderName| response.headers.get(name).and_then(|value| value.to_str().ok());
    let modified = text(header::LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
    match range(&headers, text(header::ETAG).unwrap_or_default(), modified, length) {
        RangeRequest::All => response,
        RangeRequest::Part(part) => cut(response, part, length),
        RangeRequest::Unsatisfiable => outside(length),
    }
}

/// A part by its number, from 1. An empty answer has one part, which is empty.
fn numbered(response: OriginResponse, number: &str, length: u64) -> OriginResponse {
    let count = length.div_ceil(PART).max(1);
    let Some(number) = number.parse::<u64>().ok().filter(|number| (1..=count).contains(number)) else {
        return outside(length);
    };
    let start = (number - 1) * PART;
    let mut response = if length == 0 { response } else { cut(response, start..(start + PART).min(length), length) };
    response.headers.insert(PARTS_COUNT, count.into());
    response
}

fn cut(mut response: OriginResponse, part: std::ops::Range<u64>, length: u64) -> OriginResponse {
    let shown = format!("bytes {}-{}/{length}", part.start, part.end - 1);
    if let Ok(shown) = HeaderValue::try_from(shown) {
        response.headers.insert(header::CONTENT_RANGE, shown);
    }
    response.headers.insert(header::CONTENT_LENGTH, (part.end - part.start).into());
    OriginResponse { status: StatusCode::PARTIAL_CONTENT, body: response.body.slice(part), ..response }
}

fn outside(length: u64) -> OriginResponse {
    problem_response(Problem::new(Code::RangeNotSatisfiable, format!("the answer has {length} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Body;
    use crate::origin::Report;

    #[test]
    fn parts_are_ranges_or_numbered() {
        let length = 2 * PART + 7;
        let table = [
            ("", "", 200, length, None),
            ("", "bytes=1-3", 206, 3, Some("bytes 1-3/10485767")),
            ("Range=bytes%3D-5", "", 206, 5, Some("bytes 10485762-10485766/10485767")),
            ("", "bytes=99999999-", 416, 0, None),
            ("partNumber=1", "", 206, PART, Some("bytes 0-5242879/10485767")),
            ("partNumber=3", "", 206, 7, Some("bytes 10485760-10485766/10485767")),
            ("partNumber=4", "", 416, 0, None),
            ("partNumber=0", "", 416, 0, None),
            ("partNumber=x", "", 416, 0, None),
        ];
        for (query, ranged, status, expected, shown) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, length.into());
            let body = Body::Bytes(bytes::Bytes::from(vec![0; length as usize]).into());
            let whole =
                OriginResponse { status: StatusCode::OK, headers, body, problem: None, report: Report::default() };
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
