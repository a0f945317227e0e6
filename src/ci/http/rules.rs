//! Rules: what an answer says about a run. The first that matches counts.

use serde_json::Value;

use super::pointer::Pointer;
use crate::ci::template::Template;
use crate::domain::run::Reported;

/// What a value has to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// `"*"`: present, and not null.
    Present,
    /// `"text*"`: a text that begins like this.
    Prefix(String),
    /// This value; a text is a template.
    Is(Value),
    /// One of them.
    OneOf(Vec<Expected>),
}

/// What several values have to be, all of them. Empty: anything.
pub type Conditions = Vec<(Pointer, Expected)>;

/// When a rule matches.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// The answer fulfils them.
    Answer(Conditions),
    /// An item of the list `each` does.
    Any(Conditions),
    /// The list has items, and all of them do.
    All(Conditions),
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub when: When,
    pub is: Reported,
}

impl Rule {
    /// Whether it matches whatever the answer is.
    pub fn is_default(&self) -> bool {
        matches!(&self.when, When::Answer(conditions) if conditions.is_empty())
    }

    fn matches(&self, answer: &Value, items: &[Value]) -> bool {
        match &self.when {
            When::Answer(conditions) => fulfils(answer, conditions, &Value::Null),
            When::Any(conditions) => {
                items.iter().any(|item| fulfils(item, conditions, &Value::Null))
            }
            When::All(conditions) => {
                !items.is_empty()
                    && items.iter().all(|item| fulfils(item, conditions, &Value::Null))
            }
        }
    }
}

/// Whether an answer has these values, whose texts are rendered with `context`.
pub(super) fn fulfils(answer: &Value, conditions: &Conditions, context: &Value) -> bool {
    conditions.iter().all(|(pointer, expected)| {
        pointer.find(answer).map_or_else(
            // `null` is expected where nothing is.
            || *expected == Expected::Is(Value::Null),
            |found| expected.is(found, context),
        )
    })
}

impl Expected {
    fn is(&self, found: &Value, context: &Value) -> bool {
        match self {
            Self::Present => true,
            Self::Prefix(begin) => found.as_str().is_some_and(|text| text.starts_with(begin)),
            Self::Is(Value::String(text)) if text.contains("{{") => {
                let rendered = Template::parse(text).and_then(|it| it.render_value(context));
                rendered.is_ok_and(|expected| expected == *found)
            }
            Self::Is(expected) => is_equal(expected, found),
            Self::OneOf(all) => all.iter().any(|expected| expected.is(found, context)),
        }
    }
}

/// Numbers are equal whether they are written as whole numbers or not.
fn is_equal(expected: &Value, found: &Value) -> bool {
    match (expected.as_f64(), found.as_f64()) {
        (Some(expected), Some(found)) => (expected - found).abs() < f64::EPSILON,
        _ => expected == found,
    }
}

/// The state that the answer stands for; none where no rule matches.
pub(super) fn state(rules: &[Rule], each: Option<&Pointer>, answer: &Value) -> Option<Reported> {
    let items = each.map_or(&[][..], |each| each.items(answer));
    rules.iter().find(|rule| rule.matches(answer, items)).map(|rule| rule.is)
}

/// What the rules have looked at, for people: `/state = finished, /status = UNKNOWN`.
pub(super) fn looked_at(rules: &[Rule], answer: &Value) -> Option<String> {
    let mut seen: Vec<String> = Vec::new();
    for rule in rules {
        let When::Answer(conditions) = &rule.when else { continue };
        for (pointer, _) in conditions {
            let text = match pointer.find(answer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ => continue,
            };
            let one = format!("{} = {text}", pointer.text());
            if !seen.contains(&one) {
                seen.push(one);
            }
        }
    }
    (!seen.is_empty()).then(|| seen.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conditions(pairs: &[(&str, Expected)]) -> Conditions {
        let parsed =
            |(text, expected): &(&str, Expected)| (Pointer::parse(text).unwrap(), expected.clone());
        pairs.iter().map(parsed).collect()
    }

    fn is(value: Value) -> Expected {
        Expected::Is(value)
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rules = [
            (vec![("/canceledInfo", Expected::Present)], Reported::Cancelled),
            (
                vec![("/state", is(json!("finished"))), ("/status", is(json!("SUCCESS")))],
                Reported::Succeeded,
            ),
            (vec![("/message", Expected::Prefix("Stopped with".into()))], Reported::Cancelled),
            (vec![("/code", Expected::OneOf(vec![is(json!(2)), is(json!(3))]))], Reported::Failed),
            (vec![("/flag", is(json!(true)))], Reported::Errored),
            (vec![], Reported::Running),
        ]
        .map(|(when, is)| Rule { when: When::Answer(conditions(&when)), is });
        for (answer, expected) in [
            (json!({ "canceledInfo": {}, "state": "finished" }), Reported::Cancelled),
            (json!({ "canceledInfo": null, "code": 3.0 }), Reported::Failed),
            (json!({ "state": "finished", "status": "SUCCESS" }), Reported::Succeeded),
            (json!({ "state": "finished", "status": "UNKNOWN" }), Reported::Running),
            (json!({ "message": "Stopped with strategy x" }), Reported::Cancelled),
            (json!({ "flag": true }), Reported::Errored),
            (json!({ "flag": "true" }), Reported::Running),
            (json!([]), Reported::Running),
        ] {
            assert_eq!(state(&rules, None, &answer), Some(expected), "{answer}");
        }
        assert_eq!(state(&[], None, &json!({})), None);
        let told = looked_at(&rules, &json!({ "state": "finished", "status": "UNKNOWN" }));
        assert_eq!(told.as_deref(), Some("/state = finished, /status = UNKNOWN"));
    }

    #[test]
    fn lists_are_judged_as_a_whole() {
        let status = |words: &[&str]| {
            let words = words.iter().map(|word| is(json!(word))).collect();
            conditions(&[("/status", Expected::OneOf(words))])
        };
        let rules = [
            (When::Any(status(&["running", "on_hold"])), Reported::Running),
            (When::Any(status(&["failed"])), Reported::Failed),
            (When::All(status(&["success"])), Reported::Succeeded),
            (When::Answer(Vec::new()), Reported::Running),
        ]
        .map(|(when, is)| Rule { when, is });
        let each = Pointer::parse("/items").unwrap();
        for (words, expected) in [
            (vec![], Reported::Running),
            (vec!["success", "running"], Reported::Running),
            (vec!["success", "failed"], Reported::Failed),
            (vec!["success", "success"], Reported::Succeeded),
            (vec!["success", "strange"], Reported::Running),
        ] {
            let items: Vec<_> = words.iter().map(|word| json!({ "status": word })).collect();
            let answer = json!({ "items": items });
            assert_eq!(state(&rules, Some(&each), &answer), Some(expected), "{answer}");
        }
    }

    #[test]
    fn conditions_may_name_the_run() {
        let own = conditions(&[("/variables/RUN", is(json!("{{ run }}")))]);
        let context = json!({ "run": "01a2" });
        assert!(fulfils(&json!({ "variables": { "RUN": "01a2" } }), &own, &context));
        assert!(!fulfils(&json!({ "variables": { "RUN": "01a2b" } }), &own, &context));
        assert!(!fulfils(&json!({}), &own, &context));
    }
}
