//! The event `build.complete`, and its resource in both versions.

use serde_json::{Value, json};

use super::render::result;
use crate::ado::hooks::event::{EventKind, EventSubject};
use crate::ado::rest::render::put;
use crate::ado::world::World;

impl World {
    /// Announces that a build has completed.
    pub(super) fn announce_completion(&mut self, pipeline: u64, number: u64) {
        let known = self.pipeline(pipeline);
        let build = known.builds.get(number).zip(known.records.get(&number));
        let Some((build, record)) = build else { return };
        let result = result(build, record).unwrap_or_default();
        let text = format!("Build {} {result}", record.build_number);
        let (name, by) = (known.name.clone(), record.by.clone());
        let repository = known.repository.clone();
        let subject = EventSubject::Build(number);
        let mut event = self.event(EventKind::BuildComplete, &repository, subject, text);
        event.definition_name = Some(name);
        event.created_by = by;
        event.build_status = match result {
            "succeeded" => Some("Succeeded"),
            "partiallySucceeded" => Some("PartiallySucceeded"),
            "failed" => Some("Failed"),
            "canceled" => Some("Stopped"),
            _ => None,
        };
        self.announce(event);
    }

    /// The resource of a delivery; none when the build was deleted.
    pub(in crate::ado) fn completion_resource(&self, number: u64, version: &str) -> Value {
        let found = self.pipeline_of(number);
        let build = found.and_then(|pipeline| pipeline.builds.get(number));
        let Some((pipeline, build)) = found.zip(build) else { return Value::Null };
        let mut value = self.build_json(pipeline, build);
        if version != "2.0" {
            return old_resource(&value);
        }
        // The published sample has neither of them.
        if let Some(object) = value.as_object_mut() {
            object.remove("templateParameters");
            object.remove("parameters");
        }
        if let Some(definition) = value.get_mut("definition") {
            put(definition, "drafts", json!([]));
        }
        value
    }
}

/// Version 1.0, in the shape of the builds of long ago: the status has the result, and the branch
/// and the commit are one text (docs/azure-devops.md §2.3).
fn old_resource(build: &Value) -> Value {
    let (url, id) = (&build["url"], &build["id"]);
    let text = |key: &str| build[key].as_str().unwrap_or_default();
    let status = match text("result") {
        "canceled" => "stopped",
        other => other,
    };
    let container = json!({"type": "container", "url": url, "downloadUrl": url});
    let mut drop = container.clone();
    put(&mut drop, "location", json!("#/3/drop"));
    json!({
        "uri": build["uri"],
        "id": id,
        "buildNumber": build["buildNumber"],
        "url": url,
        "startTime": build["startTime"],
        "finishTime": build["finishTime"],
        "reason": build["reason"],
        "status": status,
        "dropLocation": "#/3/drop",
        "drop": drop,
        "log": container,
        "sourceGetVersion": format!("LG:{}:{}", text("sourceBranch"), text("sourceVersion")),
        "lastChangedBy": build["lastChangedBy"],
        "retainIndefinitely": false,
        "hasDiagnostics": true,
        "definition": {
            "batchSize": 1,
            "triggerType": "none",
            "definitionType": "xaml",
            "id": build.pointer("/definition/id"),
            "name": build.pointer("/definition/name"),
            "url": build.pointer("/definition/url"),
        },
        "queue": {"queueType": "buildController", "id": 4, "name": "Hosted", "url": url},
        "requests": [{"id": id, "url": url, "requestedFor": build["requestedFor"]}],
    })
}
