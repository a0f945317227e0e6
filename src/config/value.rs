//! One value of the file, read as the type that its key requires.
//!
//! Every method either returns the value or records what is wrong with it. A value of the wrong
//! type is not quoted, since it may be a secret.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::domain::time::Timestamp;

use super::reader::Reader;
use super::suggestion;
use super::units;

/// The least and the greatest allowed quantity, with their units; `because` is appended to the
/// remedy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) least: &'static str,
    pub(super) greatest: &'static str,
    pub(super) because: &'static str,
}

/// A value, its key, and an example for remedies.
#[derive(Clone, Copy)]
pub(super) struct Value<'r> {
    pub(super) reader: &'r Reader<'r>,
    pub(super) key: &'static str,
    pub(super) example: &'static str,
    /// The byte offset of the value.
    pub(super) offset: usize,
    value: &'r DeValue<'r>,
}

impl<'r> Value<'r> {
    pub(super) fn new(
        reader: &'r Reader<'r>,
        key: &'static str,
        example: &'static str,
        value: &'r Spanned<DeValue<'r>>,
    ) -> Self {
        Self { reader, key, example, offset: value.span().start, value: value.get_ref() }
    }

    /// Records an error about this value.
    pub(super) fn refuse(&self, what: impl Into<String>, help: impl Into<String>) {
        self.reader.refuse(self.offset, what, help);
    }

    /// Records that this value has the wrong type.
    pub(super) fn refuse_type(&self, wanted: &str, help: impl Into<String>) {
        let found = match self.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a bare number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.refuse(format!("{} must be {wanted}, not {found}", self.key), help);
    }

    /// Warns about an accepted value; `help` says what to write instead.
    pub(super) fn warn(&self, what: &str, help: &str) {
        self.reader.warn(self.offset, format!("{}: {what}", self.key), help);
    }

    /// Whether the value is this text.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.value.as_str() == Some(word)
    }

    /// `write key = example`.
    pub(super) fn remedy(&self) -> String {
        format!("write {} = {}", self.key, self.example)
    }

    pub(super) fn as_table(&self) -> Option<&'r DeTable<'r>> {
        self.value.as_table()
    }

    pub(super) fn as_array(&self) -> Option<&'r DeArray<'r>> {
        self.value.as_array()
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Text in quotes.
    pub(super) fn text(&self) -> Option<&'r str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.refuse_type("text in quotes", self.remedy());
        }
        text
    }

    /// Text of `least` to `greatest` characters, none of them a control character.
    pub(super) fn text_of(&self, least: usize, greatest: usize) -> Option<&'r str> {
        let text = self.text()?;
        let length = text.chars().count();
        if (least..=greatest).contains(&length) && !text.contains(char::is_control) {
            return Some(text);
        }
        let what = format!("{} must have {least} to {greatest} printable characters", self.key);
        self.refuse(what, self.remedy());
        None
    }

    /// `true` or `false`, without quotes.
    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.refuse_type("true or false without quotes", self.remedy());
        }
        flag
    }

    /// A whole number of at least 1.
    pub(super) fn count(&self) -> Option<u32> {
        let Some(integer) = self.value.as_integer() else {
            self.refuse_type("a whole number without quotes", self.remedy());
            return None;
        };
        let count = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let count = count.filter(|count| *count > 0);
        if count.is_none() {
            self.refuse(format!("{} must be 1 to {}", self.key, u32::MAX), self.remedy());
        }
        count
    }

    /// A whole number of at least 1, as large as ids are.
    pub(super) fn id(&self) -> Option<u64> {
        self.integer(1, i64::MAX).and_then(|id| u64::try_from(id).ok())
    }

    /// A whole number from `least` to `greatest`.
    pub(super) fn integer(&self, least: i64, greatest: i64) -> Option<i64> {
        let Some(integer) = self.value.as_integer() else {
            self.refuse_type("a whole number without quotes", self.remedy());
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (least..=greatest).contains(number));
        if number.is_none() {
            self.refuse(format!("{} must be {least} to {greatest}", self.key), self.remedy());
        }
        number
    }

    /// What is neither a table nor an array, as JSON: numbers and truth values stay what they are,
    /// anything else is a text.
    pub(super) fn scalar(&self) -> Option<serde_json::Value> {
        Some(match self.value {
            DeValue::String(text) => serde_json::Value::String(text.to_string()),
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok()?.into()
            }
            DeValue::Float(float) => float.as_str().parse::<f64>().ok()?.into(),
            DeValue::Boolean(flag) => (*flag).into(),
            DeValue::Datetime(time) => time.to_string().into(),
            DeValue::Array(_) | DeValue::Table(_) => return None,
        })
    }

    /// A date without quotes and without a time. Returns midnight in UTC, when the day begins.
    pub(super) fn day(&self) -> Option<Timestamp> {
        let Some(found) = self.value.as_datetime() else {
            self.refuse_type("a date without quotes", self.remedy());
            return None;
        };
        let date = found.date.filter(|_| found.time.is_none());
        let day = date.and_then(|date| Timestamp::parse(&format!("{date}T00:00:00Z")));
        if day.is_none() {
            self.refuse(format!("{} must be a date without a time", self.key), self.remedy());
        }
        day
    }

    /// A duration within the range.
    pub(super) fn duration(&self, range: Range) -> Option<Duration> {
        self.quantity("a duration", range, units::duration)
    }

    /// A number of bytes within the range.
    pub(super) fn size(&self, range: Range) -> Option<usize> {
        self.quantity("a size", range, units::size)
    }

    fn quantity<T: PartialOrd>(
        &self,
        kind: &str,
        range: Range,
        read: fn(&str) -> Result<T, units::QuantityError>,
    ) -> Option<T> {
        let key = self.key;
        let Some(text) = self.value.as_str() else {
            let help = format!("write {key} = \"{}\"", self.example);
            self.refuse_type(&format!("{kind} with its unit"), help);
            return None;
        };
        let quantity = match read(text) {
            Ok(quantity) => quantity,
            Err(error) => {
                let what = format!("{key} must be {kind}, and {text:?} {error}");
                self.refuse(what, format!("write {key} = \"{}\"", self.example));
                return None;
            }
        };
        let Range { least, greatest, because } = range;
        if read(least).is_ok_and(|least| quantity < least) {
            let help = format!("write {key} = \"{least}\" or more{because}");
            self.refuse(format!("{key} is {text:?}, which is too little"), help);
            return None;
        }
        if read(greatest).is_ok_and(|greatest| quantity > greatest) {
            let help = format!("write {key} = \"{greatest}\" or less{because}");
            self.refuse(format!("{key} is {text:?}, which is too much"), help);
            return None;
        }
        Some(quantity)
    }

    /// The items of an array.
    pub(super) fn items(&self) -> Option<Vec<Value<'r>>> {
        let Some(array) = self.as_array() else {
            self.refuse_type("an array", self.remedy());
            return None;
        };
        let item = |item| Value::new(self.reader, self.key, self.example, item);
        Some(array.iter().map(item).collect())
    }

    /// An array of texts. Items that are not text are refused and left out.
    pub(super) fn texts(&self) -> Option<Vec<(Value<'r>, &'r str)>> {
        let items = self.items()?;
        Some(items.into_iter().filter_map(|item| Some((item, item.text()?))).collect())
    }

    /// The meaning of the text, which must be one of `words`.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let what = format!("{} cannot be {text:?}", self.key);
            self.refuse(what, suggestion::help(text, &words));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// The meanings of an array of at least one of `words`, each once.
    pub(super) fn words<T: Copy + PartialEq>(&self, words: &[(&'static str, T)]) -> Option<Vec<T>> {
        let items = self.items()?;
        if items.is_empty() {
            self.refuse(format!("{} is empty", self.key), self.remedy());
        }
        let mut meanings = Vec::new();
        for meaning in items.iter().filter_map(|item| item.word(words)) {
            if !meanings.contains(&meaning) {
                meanings.push(meaning);
            }
        }
        Some(meanings)
    }
}
