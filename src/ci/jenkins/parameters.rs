//! The parameters that a job declares. Jenkins drops values of undeclared ones without a word, and
//! answers a value that is not among the choices with an exception, so both are looked at before.

use serde_json::Value;

/// What of a job describes its parameters.
pub(super) const TREE: &str = "property[parameterDefinitions[name,type,choices]]";

/// One parameter that a job declares.
#[derive(Debug)]
pub(super) struct Parameter<'j> {
    pub(super) name: &'j str,
    /// Such as `StringParameterDefinition`.
    pub(super) kind: &'j str,
    /// Empty unless it is a choice.
    choices: Vec<&'j str>,
}

/// The parameters of a job.
pub(super) fn declared(job: &Value) -> Vec<Parameter<'_>> {
    let properties = job.get("property").and_then(Value::as_array).into_iter().flatten();
    let definitions = properties.filter_map(|it| it.get("parameterDefinitions")?.as_array());
    let read = |definition| {
        let text = |key: &str| Value::get(definition, key).and_then(Value::as_str);
        let choices = definition.get("choices").and_then(Value::as_array).into_iter().flatten();
        Some(Parameter {
            name: text("name")?,
            kind: text("type").unwrap_or_default(),
            choices: choices.filter_map(Value::as_str).collect(),
        })
    };
    definitions.flatten().filter_map(read).collect()
}

/// Why a job would not be given these values; none where it would.
pub(super) fn refusal(declared: &[Parameter<'_>], values: &[(String, String)]) -> Option<String> {
    values.iter().find_map(|(name, value)| {
        let Some(parameter) = declared.iter().find(|one| one.name == name) else {
            return Some(format!(
                "the job does not declare the parameter {name}, and Jenkins would drop it (a \
                 Pipeline learns its parameters in its first build)"
            ));
        };
        let choices = &parameter.choices;
        let is_refused = !choices.is_empty() && !choices.contains(&value.as_str());
        is_refused.then(|| {
            let choices = choices.join(", ");
            format!("the parameter {name} cannot be {value:?}: it is one of {choices}")
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_to_be_declared_and_among_the_choices() {
        let job = json!({"property": [{"_class": "x"}, {"parameterDefinitions": [
            {"name": "RUN", "type": "StringParameterDefinition"},
            {"name": "suite", "type": "ChoiceParameterDefinition", "choices": ["smoke", "all"]},
        ]}]});
        let declared = declared(&job);
        let refused = |name: &str, value: &str| {
            refusal(&declared, &[(name.to_owned(), value.to_owned())]).unwrap_or_default()
        };
        assert_eq!(refused("RUN", "x"), "");
        assert_eq!(refused("suite", "all"), "");
        assert!(refused("suite", "none").ends_with("cannot be \"none\": it is one of smoke, all"));
        assert!(refused("run", "x").contains("does not declare the parameter run"));
        assert!(self::declared(&json!({"property": [{}]})).is_empty());
    }
}
