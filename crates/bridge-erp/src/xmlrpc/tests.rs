//! The form of the documents, and that every value comes back.

use super::*;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn what_is_no_xml_rpc_is_refused() {
    for text in [
        "",
        "<",
        "<methodCall><oops",
        "text",
        "<html></html>",
        "<methodResponse/>",
        "<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><int>1</int>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><methodResponse><params><param><value>&b;</value></param></params></methodResponse>",
        "<methodResponse><params><param><value>&b;</value></param></params></methodResponse>",
    ] {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
    let deep = format!("<methodResponse><params><param>{}", "<value><array><data>".repeat(100_000));
    assert!(matches!(read(deep.as_bytes()), Err(Flaw::Form(_))));
    assert!(matches!(write_call("a", [&json!("\u{1}")]), Err(Flaw::Character('\u{1}'))));
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = "[ -~\t\n\r\u{e9}\u{627}\u{1f600}]{0,12}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e12..1.0e12).prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(text, inner, 0..4).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_comes_back(value in any_value(), method in "[a-z]{1,8}") {
        let written = write_answer(&value).unwrap();
        prop_assert_eq!(read(written.as_bytes()).unwrap(), Document::Answer(value.clone()));
        let written = write_call(&method, [&value, &json!(1)]).unwrap();
        prop_assert_eq!(read(written.as_bytes()).unwrap(), Document::Call(method, vec![value, json!(1)]));
    }
}
