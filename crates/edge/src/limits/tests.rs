use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::*;
use crate::config::Config;

fn limits(written: &Value) -> Limits {
    let mut problems = Problems::default();
    let limits = serde_json::from_value::<RawLimits>(written.clone()).unwrap().check("limits", &mut problems);
    assert_eq!(format!("{problems:?}"), "Problems([])", "{written}");
    limits
}

/// A query, and what goes on of it, or what is said of it.
type Case = (&'static str, Result<&'static str, &'static str>);

#[test]
fn what_is_asked_for_comes_within_the_limits() {
    let table: &[(Value, &[Case])] = &[
        (json!({}), &[("width=0300&fit=inside&x=1", Ok("w=300"))]),
        (
            json!({"presets_only": true}),
            &[
                ("", Ok("")),
                ("utm_source=x", Ok("")),
                ("preset=card", Ok("preset=card")),
                ("preset=card,%20dark,card", Ok("preset=dark%2Ccard")),
                // What means nothing is nothing.
                ("metadata=none&fit=inside", Ok("")),
                ("preset=card&w=300", Err("w is not permitted here; permitted are preset")),
                ("v=2", Err("v is not permitted here; permitted are preset")),
                ("blur=x", Err("blur is not permitted here; permitted are preset")),
                ("showExif", Err("showExif is not permitted here; permitted are preset")),
            ],
        ),
        (
            json!({"presets_only": true, "parameters": ["dpr", "f", "fm"], "dprs": [1, 1.5, 2]}),
            &[
                ("preset=card&dpr=2.0&format=webp", Ok("dpr=2&format=webp&preset=card")),
                ("preset=card&dpr=1.51", Err("dpr=1.51 is not permitted here; permitted are 1, 1.5, 2")),
                ("w=3", Err("w is not permitted here; permitted are preset, dpr, format")),
            ],
        ),
        (json!({"parameters": []}), &[("w=3", Err("w is not permitted here, and no other parameter is"))]),
        (
            json!({"widths": [640, 320], "qualities": [50, 80], "formats": ["JPG", "webp"]}),
            &[
                ("w=160&dpr=2", Ok("w=320")),
                ("w=320&h=1&q=80&f=jpg", Ok("format=jpeg&h=1&q=80&w=320")),
                ("h=7&blur=3", Ok("blur=3&h=7")),
                ("w=321", Err("w=321 is not permitted here; permitted are 320, 640")),
                ("w=320&q=81", Err("q=81 is not permitted here; permitted are 50, 80")),
                ("f=Auto", Err("format=auto is not permitted here; permitted are jpeg, webp")),
                ("preset=card&w=0320.0", Ok("preset=card&w=320")),
                ("preset=card&w=300", Err("w=300 is not permitted here")),
                // The origin says what is wrong.
                ("w=99999&fit=none", Ok("fit=none&w=99999")),
            ],
        ),
        (
            json!({"qualities": [70, "high", "Low", "low", 50, "auto:80", "auto:60"]}),
            &[
                ("q=50", Ok("q=50")),
                ("q=HIGH", Ok("q=high")),
                ("q=auto:80", Ok("q=auto")),
                ("q=auto:61&preset=card", Err("q=auto:61 is not permitted here")),
                ("q=high&preset=card", Ok("preset=card&q=high")),
                ("q=best", Err("q=best is not permitted here; permitted are 50, 70, high, low, auto, auto:60")),
                ("q=71&preset=card", Err("q=71 is not permitted here; permitted are 50, 70, high, low, auto, auto:60")),
                ("preset=card&q=worst", Ok("preset=card&q=worst")),
            ],
        ),
        (
            json!({"qualities": ["high"]}),
            &[("q=high", Ok("q=high")), ("q=80", Err("q=80 is not permitted here; permitted are high"))],
        ),
        (
            json!({"widths": [320, 640], "qualities": [50, 80], "on_other": "snap"}),
            &[
                ("q=high", Err("q=high is not permitted here; permitted are 50, 80")),
                ("w=1", Ok("w=320")),
                ("w=320", Ok("w=320")),
                ("w=321&h=200", Ok("h=399&w=640")),
                ("w=5000&q=99", Ok("q=80&w=640")),
                ("w=400&ar=2:1", Ok("fit=cover&h=320&w=640")),
                ("w=1&h=16000", Ok("h=16383&w=320")),
                ("preset=card&w=400&dpr=3&h=10", Ok("dpr=3&h=16&preset=card&w=640")),
                // Another width would make it readable.
                ("w=9000&dpr=2", Ok("dpr=2&w=9000")),
            ],
        ),
        (
            json!({"widths": [320], "heights": [100, 200], "on_other": "snap"}),
            &[("w=160&h=100", Ok("h=100&w=320")), ("w=160&h=101", Ok("h=200&w=320"))],
        ),
        (
            json!({"max_width": 2000, "max_pixels": 1_000_000}),
            &[
                ("", Ok("max_pixels=1000000&max_w=2000")),
                ("w=300&max_w=100", Ok("max_pixels=1000000&max_w=100&w=300")),
                ("w=9999&max_w=9999", Ok("max_pixels=1000000&max_w=2000&w=9999")),
                ("max_w=x", Ok("max_w=x")),
            ],
        ),
        (
            json!({"max_width": 2000, "parameters": ["w"]}),
            &[
                ("w=300&max_w=2000", Ok("max_w=2000&w=300")),
                ("w=300&max_w=5000", Err("max_w is not permitted here; permitted are w")),
            ],
        ),
        (
            json!({"default_preset": "base, small", "parameters": ["w"]}),
            &[
                ("", Ok("preset=base%2Csmall")),
                // What is left out where there is no preset says something beside one.
                ("w=300&dpr=1", Err("dpr is not permitted here; permitted are w")),
                ("w=0300", Ok("preset=base%2Csmall&w=0300")),
                ("preset=base,small", Ok("preset=base%2Csmall")),
                ("preset=other", Err("preset is not permitted here; permitted are w")),
                ("preset=", Err("preset is not permitted here; permitted are w")),
            ],
        ),
        (
            json!({"force": "q=40&blur=2", "qualities": [80]}),
            &[
                ("", Ok("blur=2&q=40")),
                ("w=300&q=90&dpr=2", Ok("blur=2&q=40&w=600")),
                ("q=abc", Ok("blur=2&q=40")),
                ("preset=card&blur=9", Ok("blur=2&preset=card&q=40")),
            ],
        ),
        (
            json!({"force": "w=100&metadata=none", "parameters": ["w"]}),
            &[("w=300&dpr=2", Ok("w=100")), ("ar=2:1&utm=1", Ok("w=100")), ("w=9999&dpr=9", Ok("w=100"))],
        ),
        (json!({"force": "w=100", "parameters": ["preset", "dpr"]}), &[("preset=card&dpr=3", Ok("preset=card&w=100"))]),
        (
            json!({"force": "preset=marked&q=40"}),
            &[("w=3&preset=card", Ok("preset=marked&q=40&w=3")), ("fit=inside", Ok("fit=inside&preset=marked&q=40"))],
        ),
    ];
    for (written, cases) in table {
        let limits = limits(written);
        for (query, expected) in *cases {
            match (limits.apply(query), expected) {
                (Ok(passed), Ok(expected)) => {
                    assert_eq!(passed.canonical(), *expected, "{written}: {query}");
                    let again = limits.apply(&passed.canonical());
                    assert_eq!(again, Ok(passed), "{written}: {query} is changed once more");
                }
                (Err(bad), Err(expected)) => assert!(bad.to_string().contains(expected), "{written}: {query}: {bad}"),
                (outcome, _) => panic!("{written}: {query}: {outcome:?}"),
            }
        }
    }
}

#[test]
fn limits_that_cannot_be_met_are_named() {
    let table = [
        (json!({"parameters": ["w", "wdith"]}), "limits.parameters: there is no parameter `wdith`"),
        (json!({"widths": [0]}), "limits.widths: takes numbers from 1 to 16383"),
        (json!({"heights": [16384]}), "limits.heights: takes numbers from 1 to 16383"),
        (json!({"qualities": [101]}), "limits.qualities: takes numbers from 1 to 100"),
        (json!({"qualities": ["fine"]}), "limits.qualities: `fine` is no word of q"),
        (json!({"qualities": ["80"]}), "limits.qualities: `80` is no word of q"),
        (json!({"qualities": [1.5]}), "a whole number or a word of `q`"),
        (json!({"qualities": ["high"], "on_other": "snap"}), "limits.on_other: there are no widths"),
        (json!({"dprs": [0.05]}), "limits.dprs: takes numbers from 0.1 to 10"),
        (json!({"dprs": [1e300]}), "limits.dprs: takes numbers from 0.1 to 10"),
        (json!({"formats": ["webm"]}), "limits.formats: `webm` is none of "),
        (json!({"on_other": "snap"}), "limits.on_other: there are no widths"),
        (json!({"on_other": "shrink"}), "unknown value `shrink`"),
        (json!({"max_width": 0}), "limits.max_width: takes 1 to 16383"),
        (json!({"max_pixels": 4_000_000_000_u32}), "limits.max_pixels: takes 1 to 268402689"),
        (json!({"default_preset": ""}), "limits.default_preset: is the name of a preset"),
        (json!({"force": "wdith=3"}), "limits.force: there is no parameter `wdith`"),
        (json!({"force": "w=0"}), "limits.force: invalid value 0 for `w`"),
        (json!({"force": "dpr=2"}), "limits.force: dpr works on what the URL gives"),
        (json!({"force": "ar=1"}), "limits.force: ar works on what the URL gives"),
        (json!({"force": "preset="}), "limits.force: preset has no name"),
        (json!({"force": "preset=a", "default_preset": "b"}), "limits.default_preset: never counts"),
        (json!({"colour": 1}), "unknown setting `colour`"),
    ];
    for (written, expected) in table {
        let config = |limits: Value, of_rule: Value| {
            json!({
                "rules": [{"path": "/*", "allow": ["public"], "limits": of_rule}],
                "limits": limits,
                "origins": {"transformer": {"service": "none", "domain": "a"}},
            })
            .to_string()
        };
        let error = Config::from_json(&config(written.clone(), Value::Null)).unwrap_err().to_string();
        assert!(error.contains(expected), "{written}: {error}");
        let error = Config::from_json(&config(Value::Null, written.clone())).unwrap_err().to_string();
        let expected = expected.replace("limits.", "rules[0].limits.");
        assert!(error.contains(&expected), "{written}: {error}");
    }
}

/// Any limits that are valid.
fn any_limits() -> impl Strategy<Value = Value> {
    let parameters = prop::option::of(subsequence(vec!["w", "h", "dpr", "ar", "q", "preset", "format", "max_w"], 0..8));
    let widths = subsequence(vec![1, 100, 320, 640, 16_383], 0..4);
    let heights = subsequence(vec![50, 400], 0..2);
    let qualities = subsequence(vec![json!(10), json!(50), json!(80), json!("high")], 0..4);
    let dprs = subsequence(vec![0.5, 1.0, 1.5, 3.0], 0..3);
    let formats = subsequence(vec!["jpeg", "webp", "auto"], 0..3);
    let force =
        select(vec!["", "q=40", "w=77&blur=1", "preset=marked", "h=9&fit=fill", "max_w=10&preset=a,b", "fit=cover"]);
    let most = (prop::option::of(1_u32..20_000), prop::option::of(1_u32..1_000_000));
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    (parameters, (widths, heights, qualities, dprs), formats, force, most, switches).prop_map(
        |(parameters, (widths, heights, qualities, dprs), formats, force, (width, pixels), (only, snap, default))| {
            let is_empty = widths.is_empty() && heights.is_empty() && dprs.is_empty();
            let snaps = snap && (!is_empty || qualities.iter().any(Value::is_number));
            let default = (default && !force.contains("preset")).then_some("base");
            json!({
                "presets_only": only, "parameters": parameters, "widths": widths, "heights": heights,
                "qualities": qualities, "dprs": dprs, "formats": formats, "force": force,
                "on_other": if snaps { "snap" } else { "refuse" }, "default_preset": default,
                "max_width": width.map(|most| most.min(16_383)), "max_pixels": pixels,
            })
        },
    )
}

/// Queries of which most have a meaning.
fn any_query() -> impl Strategy<Value = String> {
    let number = prop_oneof!["[0-9]{1,5}", "0?[1-9][0-9]{0,3}", "[0-9]{1,4}\\.[0-9]{1,2}", "[a-z+%]{0,3}"];
    let numeric = (select(vec!["w", "width", "h", "dpr", "q", "max_w", "max_pixels", "ar", "blur", "pad"]), number);
    let word = select(vec![
        ("fit", "cover"),
        ("fit", "inside"),
        ("format", "JPG"),
        ("f", "auto"),
        ("format", "png"),
        ("q", "High"),
        ("quality", "low"),
        ("preset", "card"),
        ("preset", "a, b,a"),
        ("preset", "base"),
        ("preset", ""),
        ("v", "1"),
        ("ar", "16:9"),
        ("radius", "max"),
        ("utm", "1"),
        ("metadata", "none"),
        ("info", "true"),
    ]);
    let pair = prop_oneof![
        numeric.prop_map(|(name, value)| format!("{name}={value}")),
        word.prop_map(|(name, value)| format!("{name}={value}")),
    ];
    prop::collection::vec(pair, 0..6).prop_map(|pairs| pairs.join("&"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// The edge and a server behind it have the same limits, or only one of them has.
    #[test]
    fn what_one_lets_through_another_lets_through_as_it_is(written in any_limits(), query in any_query()) {
        let limits = limits(&written);
        let canonical = Query::parse(&query).canonical();
        match limits.apply(&query) {
            Ok(passed) => {
                prop_assert_eq!(limits.apply(&passed.canonical()), Ok(passed.clone()), "{} {}", written, query);
                prop_assert_eq!(&Query::parse(&passed.canonical()), &passed);
                for (name, list) in &limits.lists {
                    let Some(value) = passed.get(name) else { continue };
                    let readable = passed.get("preset").is_some()
                        || image_origin_query::parse(&passed.canonical(), &Presets::new()).is_ok();
                    let chosen = number(name, value).is_none_or(|number| list.contains(&number));
                    prop_assert!(chosen || !readable || limits.is_forced(name), "{} {} {}", written, query, value);
                }
            }
            Err(bad) => {
                // Nothing that is refused passes by being written otherwise.
                let has_preset = Query::parse(&query).get("preset").is_some() || limits.default_preset.is_some();
                if !has_preset && limits.forced_preset.is_none() {
                    prop_assert_eq!(limits.apply(&canonical), Err(bad), "{} {}", written, query);
                }
            }
        }
    }
}
