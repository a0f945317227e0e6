//! The envelope: every field in every odd shape, and what is refused.

use super::*;

const SUBSCRIPTION: &str = "5f0d3c1a-7e24-4b8e-9a51-0c6d2e9b4f10";

#[test]
fn reads_what_the_accept_path_needs() {
    let body = format!(
        r#"{{"subscriptionId":"{SUBSCRIPTION}","notificationId":41,"id":"E1","eventType":"git.push",
            "resource":{{"id":"not this one"}},"createdDate":"2026-03-01T10:00:00.1234567Z"}}"#
    );
    let read = envelope(body.as_bytes()).unwrap();
    assert!(matches!(read.subscription_id, Some(Cow::Borrowed(SUBSCRIPTION))));
    assert_eq!(read.notification_id, Some(41));
    assert_eq!(read.event_id.as_deref(), Some("e1"));
    assert_eq!(read.event_type.as_deref(), Some("git.push"));
    assert_eq!(read.created_at, Timestamp::parse("2026-03-01T10:00:00.123456Z"));
}

#[test]
fn one_odd_field_costs_only_itself() {
    let table = [
        ("7", Some(7)),
        ("\"7\"", Some(7)),
        ("\" 7 \"", Some(7)),
        ("7.0", Some(7)),
        ("7e0", Some(7)),
        ("-1", Some(-1)),
        ("7.5", None),
        ("null", None),
        ("true", None),
        ("\"\"", None),
        ("\"seven\"", None),
        ("[7]", None),
        ("{\"a\":7}", None),
        ("1e400", None),
        ("99999999999999999999", None),
    ];
    for (value, expected) in table {
        let body = format!(r#"{{"notificationId":{value},"eventType":"git.push"}}"#);
        let read = envelope(body.as_bytes()).unwrap();
        assert_eq!(read.notification_id, expected, "{value}");
        assert_eq!(read.event_type.as_deref(), Some("git.push"), "{value}");
    }
    for field in ["subscriptionId", "id", "eventType", "createdDate"] {
        for value in ["null", "7", "1.5", "true", "[]", "{}", "\"\"", "{\"a\":[1,{}]}"] {
            let body = format!(r#"{{"{field}":{value},"notificationId":7}}"#);
            let expected = Envelope { notification_id: Some(7), ..Envelope::default() };
            assert_eq!(envelope(body.as_bytes()), Ok(expected), "{body}");
        }
    }
}

#[test]
fn an_unsaved_subscription_has_no_id() {
    let body = br#"{"subscriptionId":"00000000-0000-0000-0000-000000000000"}"#;
    assert_eq!(envelope(body).unwrap().subscription_id, None);
}

#[test]
fn a_long_key_becomes_a_short_one_of_its_own() {
    let event_id = |id: &str| {
        let body = format!(r#"{{"id":"{id}","eventType":"{id}"}}"#);
        let read = envelope(body.as_bytes()).unwrap();
        (read.event_id.unwrap().into_owned(), read.event_type.unwrap().len())
    };
    let (key, event_type_bytes) = event_id(&"\u{e9}A".repeat(2_000));
    assert_eq!((key.len(), event_type_bytes), (43, 500));
    assert_eq!(event_id(&"\u{e9}a".repeat(2_000)).0, key);
    assert_ne!(event_id(&"\u{e9}a".repeat(2_001)).0, key);
}

#[test]
fn a_byte_order_mark_and_escapes_are_read_over() {
    let body = b"\xEF\xBB\xBF \n{\"eventType\":\"git\\u002epush\",\"id\":\"\\ud800\"}";
    let read = envelope(body).unwrap();
    assert_eq!(read.event_type.as_deref(), Some("git.push"));
    assert_eq!(read.event_id.as_deref(), Some("\u{FFFD}\u{FFFD}\u{FFFD}"));
}

#[test]
fn says_what_is_wrong_and_where() {
    let table: [(&[u8], &str); 8] = [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"hello", "not JSON: expected value at line 1 column 1"),
        (b"{\"id\":", "not JSON: EOF while parsing a value at line 1 column 6"),
        (b"{\"id\":1}x", "not JSON: trailing characters at line 1 column 9"),
        (b"[1, 2]", "not an object: JSON of another kind at line 1 column 1"),
        (b"\"git.push\"", "not an object: JSON of another kind at line 1 column 1"),
        (b"{\"id\":1,\"id\":2}", "not JSON: duplicate field `id` at line 1 column 12"),
    ];
    for (body, reason) in table {
        assert_eq!(envelope(body).unwrap_err().to_string(), reason);
    }
}

#[test]
fn never_repeats_the_body() {
    let secret = "s3cret".repeat(50);
    for body in [secret.clone(), format!("\"{secret}\""), format!("{{\"{secret}\" 1}}")] {
        let refusal = envelope(body.as_bytes()).unwrap_err();
        assert!(!refusal.reason.contains("s3cret"), "{refusal}");
    }
}
