//! One table of the file, read key by key.
//!
//! Reading a key also adds it to the known keys of the table, so no second list of allowed keys can
//! differ from what is read. Keys that were never read are refused as unknown at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::Reader;
use super::suggestion;
use super::units;
use super::value::{Range, Value};

/// A table, and its keys that were read so far.
pub(super) struct Section<'r> {
    pub(super) reader: &'r Reader<'r>,
    /// Its name in the list of known keys.
    name: &'static str,
    /// Its name in messages, as it is written in the file.
    title: String,
    /// The byte offset of its header.
    pub(super) offset: usize,
    table: &'r DeTable<'r>,
    known_keys: Vec<&'static str>,
    /// Keys that only other kinds of this table have. They are refused with a reason of their own,
    /// and never suggested.
    keys_of_other_kinds: Vec<&'static str>,
}

impl<'r> Section<'r> {
    pub(super) fn new(
        reader: &'r Reader<'r>,
        name: &'static str,
        title: impl Into<String>,
        offset: usize,
        table: &'r DeTable<'r>,
    ) -> Self {
        Self {
            reader,
            name,
            title: title.into(),
            offset,
            table,
            known_keys: Vec::new(),
            keys_of_other_kinds: Vec::new(),
        }
    }

    /// Its name in messages.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// The value of a key, if the table has it; remedies suggest `example`.
    pub(super) fn value(&mut self, key: &'static str, example: &'static str) -> Option<Value<'r>> {
        self.reader.record_key(self.name, key);
        self.known_keys.push(key);
        let found = self.table.get(key)?;
        Some(Value::new(self.reader, key, example, found))
    }

    /// The value of a required key.
    pub(super) fn required(
        &mut self,
        key: &'static str,
        example: &'static str,
    ) -> Option<Value<'r>> {
        let value = self.value(key, example);
        if value.is_none() {
            self.refuse_missing(key, format!("add {key} = {example}"));
        }
        value
    }

    /// The value of a required key for which no example helps; `instructions` say how to find the
    /// value.
    pub(super) fn required_with(
        &mut self,
        key: &'static str,
        example: &'static str,
        instructions: &str,
    ) -> Option<Value<'r>> {
        let value = self.value(key, example);
        if value.is_none() {
            self.refuse_missing(key, format!("add {key}; {instructions}"));
        }
        value
    }

    /// Records that a required key is missing.
    pub(super) fn refuse_missing(&self, key: &str, help: impl Into<String>) {
        let what = format!("{key} is missing in {}", self.title);
        self.reader.refuse_missing(self.offset, what, help);
    }

    /// The byte offset of a key that only other kinds of this table have, if this table has it.
    pub(super) fn key_of_other_kind(&mut self, key: &'static str) -> Option<usize> {
        self.reader.record_key(self.name, key);
        self.keys_of_other_kinds.push(key);
        self.table.get_key_value(key).map(|(key, _)| key.span().start)
    }

    /// The value of a key that is `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let example = if default { "true" } else { "false" };
        self.value(key, example).and_then(|value| value.flag()).unwrap_or(default)
    }

    /// The value of a key that is a duration; remedies suggest `default`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: &'static str,
        range: Range,
    ) -> Duration {
        let fallback = units::duration(default).unwrap_or_default();
        let value = self.value(key, default);
        value.and_then(|value| value.duration(range)).unwrap_or(fallback)
    }

    /// The table `[key]` below this one, if there is one.
    pub(super) fn table(&mut self, key: &'static str, name: &'static str) -> Option<Section<'r>> {
        let value = self.value(key, "a table")?;
        let title = format!("[{name}]");
        if let Some(array) = value.as_array() {
            let what = format!("{key} must be one table, not an array");
            value.refuse(what, format!("write {title}"));
            let first = array.first()?;
            let offset = first.span().start;
            return Some(Section::new(self.reader, name, title, offset, as_table(first)?));
        }
        let Some(found) = value.as_table() else {
            value.refuse_type("a table", format!("write {title} on a line of its own"));
            return None;
        };
        Some(Section::new(self.reader, name, title, value.offset, found))
    }

    /// The required table `[key]`; the remedy suggests to add it with `needed`.
    pub(super) fn required_table(
        &mut self,
        key: &'static str,
        name: &'static str,
        needed: &str,
    ) -> Option<Section<'r>> {
        if !self.table.contains_key(key) {
            let what = format!("[{name}] is missing");
            self.reader.refuse_missing(self.offset, what, format!("add [{name}] with {needed}"));
        }
        self.table(key, name)
    }

    /// Every `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Section<'r>> {
        let Some(value) = self.value(key, "a table") else { return Vec::new() };
        let title = format!("[[{key}]]");
        if let Some(found) = value.as_table() {
            value.refuse(format!("{key} must be an array of tables"), format!("write {title}"));
            return vec![Section::new(self.reader, key, title, value.offset, found)];
        }
        let items = value.as_array().into_iter().flatten();
        let found: Option<Vec<_>> = items
            .map(|item| {
                let offset = item.span().start;
                Some(Section::new(self.reader, key, title.clone(), offset, as_table(item)?))
            })
            .collect();
        if value.as_array().is_none() || found.is_none() {
            value.refuse_type("tables", format!("write {title} on a line of its own"));
        }
        found.unwrap_or_default()
    }

    /// Everything below this table, by its key, as in `[ci.NAME]`; none for what is not a table.
    pub(super) fn named_tables(self, name: &'static str) -> Vec<(&'r str, Option<Section<'r>>)> {
        let mut found = Vec::new();
        for (key, value) in self.table {
            let key: &str = key.get_ref();
            let title = format!("[{}.{key}]", self.name);
            let offset = value.span().start;
            if as_table(value).is_none() {
                let what = format!("{}.{key} must be a table", self.name);
                self.reader.refuse(offset, what, format!("write {title} on a line of its own"));
            }
            let section =
                as_table(value).map(|table| Section::new(self.reader, name, title, offset, table));
            found.push((key, section));
        }
        found
    }

    /// Every key of a table in which any key is allowed, with its value.
    pub(super) fn any_keys(self) -> Vec<(&'r str, Value<'r>)> {
        let value =
            |key: &'r str, value| (key, Value::new(self.reader, "a value", "\"text\"", value));
        self.table.iter().map(|(key, found)| value(key.get_ref().as_ref(), found)).collect()
    }

    /// Refuses every key that was not read.
    pub(super) fn finish(self) {
        let read = self.known_keys.iter().chain(&self.keys_of_other_kinds);
        let read: BTreeSet<&str> = read.copied().collect();
        for key in self.table.keys().filter(|key| !read.contains(key.get_ref().as_ref())) {
            let word: &str = key.get_ref();
            let what = format!("unknown key {word:?} in {}", self.title);
            let help = suggestion::help(word, &self.known_keys);
            self.reader.refuse(key.span().start, what, help);
        }
    }
}

fn as_table<'r>(value: &'r Spanned<DeValue<'r>>) -> Option<&'r DeTable<'r>> {
    value.get_ref().as_table()
}
