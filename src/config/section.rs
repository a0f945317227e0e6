//! One table of the file, read key by key.
//!
//! Whoever reads a table names each key once; what was not named is unknown, so a key cannot be
//! read and yet be missing in the list of what is allowed. It must never know what the keys mean.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::Reader;
use super::suggestion;
use super::units;
use super::value::{Range, Value};

/// A table and what was asked of it.
pub(super) struct Section<'r> {
    pub(super) reader: &'r Reader<'r>,
    /// What it is called in the list of known keys.
    name: &'static str,
    /// As it is written in the file.
    title: String,
    /// Its header.
    pub(super) at: usize,
    table: &'r DeTable<'r>,
    asked: Vec<&'static str>,
    /// Known, and not to be suggested here.
    elsewhere: Vec<&'static str>,
}

impl<'r> Section<'r> {
    pub(super) fn new(
        reader: &'r Reader<'r>,
        name: &'static str,
        title: impl Into<String>,
        at: usize,
        table: &'r DeTable<'r>,
    ) -> Self {
        Self {
            reader,
            name,
            title: title.into(),
            at,
            table,
            asked: Vec::new(),
            elsewhere: Vec::new(),
        }
    }

    /// The value of a key, when it is given; `example` is what could stand there.
    pub(super) fn value(&mut self, key: &'static str, example: &'static str) -> Option<Value<'r>> {
        self.reader.knows(self.name, key);
        self.asked.push(key);
        let found = self.table.get(key)?;
        Some(Value::new(self.reader, key, example, found))
    }

    /// The value of a key that must be given.
    pub(super) fn required(
        &mut self,
        key: &'static str,
        example: &'static str,
    ) -> Option<Value<'r>> {
        let value = self.value(key, example);
        if value.is_none() {
            self.lacks(key, format!("add {key} = {example}"));
        }
        value
    }

    /// The same, where `known_from` says how to find out what to write.
    pub(super) fn required_with(
        &mut self,
        key: &'static str,
        example: &'static str,
        known_from: &str,
    ) -> Option<Value<'r>> {
        let value = self.value(key, example);
        if value.is_none() {
            self.lacks(key, format!("add {key}; {known_from}"));
        }
        value
    }

    /// Records that a key that must be given is not.
    pub(super) fn lacks(&self, key: &str, help: impl Into<String>) {
        self.reader.lacks(self.at, format!("{key} is missing in {}", self.title), help);
    }

    /// Where a key stands that only a neighbour of this table can have, when it is given.
    pub(super) fn belongs_elsewhere(&mut self, key: &'static str) -> Option<usize> {
        self.reader.knows(self.name, key);
        self.elsewhere.push(key);
        self.table.get_key_value(key).map(|(key, _)| key.span().start)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let example = if default { "true" } else { "false" };
        self.value(key, example).and_then(|value| value.flag()).unwrap_or(default)
    }

    /// A duration; `default` is also the example.
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

    /// The table `[key]` below this one, when it is there.
    pub(super) fn table(&mut self, key: &'static str, name: &'static str) -> Option<Section<'r>> {
        let value = self.value(key, "a table")?;
        let title = format!("[{name}]");
        if let Some(array) = value.as_array() {
            value
                .refuse(format!("{key} must be one table, not an array"), format!("write {title}"));
            let first = array.first()?;
            return Some(Section::new(self.reader, name, title, first.span().start, table(first)?));
        }
        let Some(found) = value.as_table() else {
            value.mistyped("a table", format!("write {title} on a line of its own"));
            return None;
        };
        Some(Section::new(self.reader, name, title, value.at, found))
    }

    /// The table `[key]`, which must be there because of one key in it.
    pub(super) fn required_table(
        &mut self,
        key: &'static str,
        name: &'static str,
        needed: &str,
    ) -> Option<Section<'r>> {
        if !self.table.contains_key(key) {
            let what = format!("[{name}] is missing");
            self.reader.lacks(self.at, what, format!("add [{name}] with {needed}"));
        }
        self.table(key, name)
    }

    /// Every `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Section<'r>> {
        let Some(value) = self.value(key, "a table") else { return Vec::new() };
        let title = format!("[[{key}]]");
        if let Some(found) = value.as_table() {
            value.refuse(format!("{key} must be an array of tables"), format!("write {title}"));
            return vec![Section::new(self.reader, key, title, value.at, found)];
        }
        let items = value.as_array().into_iter().flatten();
        let found: Option<Vec<_>> = items
            .map(|item| {
                let at = item.span().start;
                Some(Section::new(self.reader, key, title.clone(), at, table(item)?))
            })
            .collect();
        if value.as_array().is_none() || found.is_none() {
            value.mistyped("tables", format!("write {title} on a line of its own"));
        }
        found.unwrap_or_default()
    }

    /// Every table below this one, whatever its key: `[ci.NAME]`; without what is not a table.
    pub(super) fn named(self, name: &'static str) -> Vec<(&'r str, Option<Section<'r>>)> {
        let mut found = Vec::new();
        for (key, value) in self.table {
            let key: &str = key.get_ref();
            let title = format!("[{}.{key}]", self.name);
            let at = value.span().start;
            if table(value).is_none() {
                let what = format!("{}.{key} must be a table", self.name);
                self.reader.refuse(at, what, format!("write {title} on a line of its own"));
            }
            let section = table(value).map(|it| Section::new(self.reader, name, title, at, it));
            found.push((key, section));
        }
        found
    }

    /// Ends the reading: whatever was not asked for is unknown.
    pub(super) fn finish(self) {
        let allowed: BTreeSet<&str> = self.asked.iter().chain(&self.elsewhere).copied().collect();
        for key in self.table.keys().filter(|key| !allowed.contains(key.get_ref().as_ref())) {
            let word: &str = key.get_ref();
            let what = format!("unknown key {word:?} in {}", self.title);
            let help = suggestion::help(word, &self.asked);
            self.reader.refuse(key.span().start, what, help);
        }
    }
}

fn table<'r>(value: &'r Spanned<DeValue<'r>>) -> Option<&'r DeTable<'r>> {
    value.get_ref().as_table()
}
