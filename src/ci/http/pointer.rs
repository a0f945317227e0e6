//! JSON pointers (RFC 6901) into answers.

use serde_json::Value;

/// A pointer that was found to be well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// Reads a pointer: empty for the whole answer, or parts that each begin with a slash.
    ///
    /// # Errors
    /// What is wrong with it: a clause.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err("it does not begin with a slash".to_owned());
        }
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter == '~' && !matches!(letters.next(), Some('0' | '1')) {
                return Err("a ~ is written ~0, and a slash within a part ~1".to_owned());
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What it points to; none where there is nothing, or null.
    pub(super) fn find<'v>(&self, answer: &'v Value) -> Option<&'v Value> {
        answer.pointer(&self.0).filter(|found| !found.is_null())
    }

    /// The items of the list that it points to; none where it points to none.
    pub(super) fn items<'v>(&self, answer: &'v Value) -> &'v [Value] {
        self.find(answer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_are_checked() {
        for text in ["", "/", "/a/0/b", "/a~1b", "/~0"] {
            assert!(Pointer::parse(text).is_ok(), "{text}");
        }
        for text in ["a", "a/b", "/a~", "/~2"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
        let answer = json!({ "a": [1, null] });
        let find = |text: &str| Pointer::parse(text).unwrap().find(&answer).cloned();
        assert_eq!((find("/a/0"), find("/a/1"), find("/b")), (Some(json!(1)), None, None));
    }
}
