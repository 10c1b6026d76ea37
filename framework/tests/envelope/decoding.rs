//! Decoding is strict, and its errors are short and name the field.

use pandaflow::codec::DecodeError;
use serde_json::{Value, json};

use crate::{FROZEN, decode};

fn frozen() -> Value {
    serde_json::from_slice(FROZEN).unwrap()
}

/// The frozen envelope with the field at `path` set to `value`.
fn with(path: &str, value: Value) -> Vec<u8> {
    let mut json = frozen();
    *json.pointer_mut(path).unwrap() = value;
    json.to_string().into_bytes()
}

/// The frozen envelope without a field.
fn without(path: &str) -> Vec<u8> {
    let mut json = frozen();
    let (parent, field) = path.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    json.to_string().into_bytes()
}

#[test]
fn a_field_that_does_not_fit_is_named_by_its_path() {
    let naive = "2013-10-07T13:30:00";
    let cases = [
        (with("/id", json!("not a uuid")), "id", "UUID"),
        (with("/id", json!("")), "id", "UUID"),
        (with("/id", Value::Null), "id", "UUID"),
        (with("/id", json!(7)), "id", "UUID"),
        (with("/correlation_id", json!("x")), "correlation_id", "UUID"),
        (with("/causation_id", json!("x")), "causation_id", "UUID"),
        (with("/type", json!(1)), "type", "expected a string"),
        (with("/broker", json!("")), "broker", "null or a text that is not empty"),
        (with("/key", json!("")), "key", "a text that is not empty"),
        (with("/key", json!(" \t")), "key", "a text that is not empty"),
        (with("/key", Value::Null), "key", "expected a string"),
        (with("/source", json!("")), "source", "a text that is not empty"),
        (with("/version", json!(-1)), "version", "expected u32"),
        (with("/version", json!("1")), "version", "expected u32"),
        (with("/version", json!(1.5)), "version", "expected u32"),
        (with("/version", json!(4_294_967_296_u64)), "version", "expected u32"),
        (with("/ts", json!(naive)), "ts", "with its offset"),
        (with("/ts", json!("2013-10-07 13:30:00Z")), "ts", "with its offset"),
        (with("/ts", json!("2013-02-30T13:30:00Z")), "ts", "with its offset"),
        (with("/ts", json!("")), "ts", "with its offset"),
        (with("/ts", json!(1_381_152_600_000_u64)), "ts", "expected a string"),
        (with("/data", Value::Null), "data", "expected struct DepthSeen"),
        (with("/data", json!([])), "data", "expected struct DepthSeen"),
        (with("/data/last", json!("1.5")), "data.last", "expected f64"),
        (with("/data/last", Value::Null), "data.last", "expected f64"),
        (with("/data/volume", json!(-1)), "data.volume", "expected u64"),
        (with("/data/note", json!(1)), "data.note", "expected a string"),
        (with("/data/at", json!(naive)), "data.at", "with its offset"),
        (with("/data/depth/buy/0/price", json!(368.2)), "data.depth.buy[0].price", "expected a string"),
        (with("/data/depth/buy/0", json!("x")), "data.depth.buy[0]", "expected struct Level"),
        (with("/data/depth/sell", json!({})), "data.depth.sell", "expected a sequence"),
        (without("/id"), ".", "missing field `id`"),
        (without("/correlation_id"), ".", "missing field `correlation_id`"),
        (without("/type"), ".", "missing field `type`"),
        (without("/key"), ".", "missing field `key`"),
        (without("/source"), ".", "missing field `source`"),
        (without("/version"), ".", "missing field `version`"),
        (without("/ts"), ".", "missing field `ts`"),
        (without("/data"), ".", "missing field `data`"),
        (without("/data/symbol"), "data", "missing field `symbol`"),
        (without("/data/depth/buy/0/price"), "data.depth.buy[0]", "missing field `price`"),
    ];
    for (json, field, what) in cases {
        match decode(&json) {
            Err(DecodeError::Json { path, message }) => {
                let text = String::from_utf8_lossy(&json);
                assert_eq!(path, field, "{message}: {text}");
                assert!(message.contains(what), "{message} should tell of {what:?}: {text}");
            }
            other => panic!("{other:?} for {field}: {}", String::from_utf8_lossy(&json)),
        }
    }
}

#[test]
fn bytes_that_are_no_envelope_are_refused() {
    let text = std::str::from_utf8(FROZEN).unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("white space", b"  \n".to_vec()),
        ("not JSON", b"ticks!".to_vec()),
        (
            "not UTF-8",
            text.replace("market-feed", "market-feed\u{0}")
                .into_bytes()
                .into_iter()
                .map(|b| if b == 0 { 0xff } else { b })
                .collect(),
        ),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("with a byte order mark", format!("\u{feff}{text}").into_bytes()),
        ("cut off", FROZEN[..FROZEN.len() - 1].to_vec()),
        ("trailing bytes", format!("{text}x").into_bytes()),
        ("trailing NUL", format!("{text}\0").into_bytes()),
        ("two of them", format!("{text}{text}").into_bytes()),
        ("an array", format!("[{text}]").into_bytes()),
        ("a string", json!(text).to_string().into_bytes()),
        ("null", b"null".to_vec()),
        ("a number", b"1".to_vec()),
        ("a field twice", text.replacen('{', r#"{"version":1,"#, 1).into_bytes()),
        ("NaN", text.replace("368.25", "NaN").into_bytes()),
        ("infinity", text.replace("368.25", "1e999").into_bytes()),
        ("a lone surrogate", text.replace("market-feed", r"\ud800").into_bytes()),
        ("a raw control character", text.replace("market-feed", "a\nb").into_bytes()),
        ("a comment", format!("/* */{text}").into_bytes()),
        ("deeply nested", format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000)).into_bytes()),
        (
            "a deeply nested field",
            text.replace("368.25", &format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000))).into_bytes(),
        ),
        ("an open nest", "{\"data\":".repeat(100_000).into_bytes()),
    ];
    for (what, bytes) in cases {
        let error = decode(&bytes).expect_err(what);
        assert!(matches!(error, DecodeError::Json { .. }), "{what}: {error:?}");
        assert!(error.to_string().len() < 1024, "{what}");
    }
}

#[test]
fn types_and_versions_that_are_not_known_are_named() {
    let version = |found| DecodeError::Version { found, known: 2 };
    assert_eq!(decode(&with("/version", json!(0))).unwrap_err(), version(0));
    assert_eq!(decode(&with("/version", json!(3))).unwrap_err(), version(3));
    assert_eq!(decode(&with("/version", json!(u32::MAX))).unwrap_err(), version(u32::MAX));
    assert_eq!(decode(&with("/version", json!(1))).unwrap().meta.version, 1);

    let wrong = |found: &str| DecodeError::WrongType { found: found.into(), expected: "depth_seen" };
    assert_eq!(decode(&with("/type", json!("order_filled"))).unwrap_err(), wrong("order_filled"));
    // The type explains more than a payload that doesn't fit.
    let mut other = frozen();
    (other["type"], other["data"]) = (json!("order_filled"), json!({}));
    assert_eq!(decode(other.to_string().as_bytes()).unwrap_err(), wrong("order_filled"));
    let long = "x".repeat(1_000_000);
    assert_eq!(decode(&with("/type", json!(long))).unwrap_err(), wrong(&long[..64]));
}

#[test]
fn what_a_later_version_may_add_and_order_do_not_matter() {
    let nest = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let text = std::str::from_utf8(FROZEN).unwrap();
    for more in [r#"{"schema":"x","#, r#"{"tags":{"a":[1,2,null]},"#, &format!("{{\"deep\":{nest},")] {
        assert_eq!(
            decode(text.replacen('{', more, 1).as_bytes()).unwrap().data,
            decode(FROZEN).unwrap().data
        );
    }
    let sorted = frozen().to_string();
    assert_ne!(sorted.as_bytes(), FROZEN);
    assert_eq!(decode(sorted.as_bytes()).unwrap().meta, decode(FROZEN).unwrap().meta);
    assert_eq!(decode(&without("/broker")).unwrap().meta.broker, None);
    assert_eq!(decode(&without("/causation_id")).unwrap().meta.causation_id, None);
    let offset = with("/ts", json!("2013-10-07T19:00:00.123456+05:30"));
    assert_eq!(decode(&offset).unwrap().meta.ts, decode(FROZEN).unwrap().meta.ts);
}

#[test]
fn an_error_about_huge_fields_is_short() {
    let huge = "k".repeat(2_000_000);
    for bytes in [
        with("/data/depth", json!({ &huge: 1 })),
        with("/ts", json!(huge)),
        with("/data/last", json!(huge)),
        with("/id", json!(huge)),
    ] {
        let error = decode(&bytes).unwrap_err();
        assert!(error.to_string().len() < 1024, "{} characters", error.to_string().len());
    }
    assert_eq!(decode(&with("/key", json!(huge))).unwrap().meta.key.len(), 2_000_000);
}
