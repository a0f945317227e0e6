//! Which request goes where, and who may ask.

use serde_json::{Value, json};

use super::refusal::error;
use super::world::{Role, World};
use crate::http::{Request, Response};
use crate::systems::strict_path::segments;

impl World {
    /// The answer to a request, or the refusal.
    pub(super) fn route(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let nowhere = || error(404, "Not Found");
        let path = segments(&request.path).ok_or_else(nowhere)?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let method = request.method.as_str();
        if let ["auth", "token"] = parts.as_slice() {
            return match method {
                "POST" => self.login(request, now_ms),
                "GET" => Err(error(
                    403,
                    "This method is only allowed if ``[core] simple_auth_manager_all_admins`` is \
                     True",
                )),
                _ => Err(error(405, "Method Not Allowed")),
            };
        }
        let ["api", "v2", rest @ ..] = parts.as_slice() else { return Err(nowhere()) };
        let (dag, rest) = match rest {
            ["version"] => return Ok(Response::json(200, &json!({"version": "3.3.2"}))),
            ["dags", dag, rest @ ..] => (*dag, rest),
            _ => return Err(error(404, "API route not found")),
        };
        let is_known = matches!(
            (method, rest),
            ("GET", [] | ["dagRuns"] | ["dagRuns", _])
                | ("POST", ["dagRuns"])
                | ("PATCH", ["dagRuns", _])
        );
        if !is_known {
            return Err(match rest {
                [] | ["dagRuns"] | ["dagRuns", _] => error(405, "Method Not Allowed"),
                _ => error(404, "API route not found"),
            });
        }
        let role = self.role(request, now_ms)?;
        if method != "GET" && role == Role::Viewer {
            return Err(error(403, "Forbidden"));
        }
        match rest {
            [] if dag == self.dag => Ok(Response::json(200, &self.rendered_dag())),
            [] => Err(error(404, format!("The Dag with ID: `{dag}` was not found"))),
            ["dagRuns"] if method == "POST" => self.start(request, dag, now_ms),
            ["dagRuns"] => self.list(request, dag),
            [_, run, ..] => {
                let build = self.run(dag, run).ok_or_else(|| {
                    error(
                        404,
                        format!(
                            "The DagRun with dag_id: `{dag}` and run_id: `{run}` was not found"
                        ),
                    )
                })?;
                match method {
                    "GET" => Ok(Response::json(200, &self.rendered(&build))),
                    _ => self.change(request, &build),
                }
            }
            _ => Err(nowhere()),
        }
    }

    fn rendered_dag(&self) -> Value {
        let nothing = [
            "last_expired",
            "bundle_version",
            "description",
            "timetable_summary",
            "next_dagrun_logical_date",
            "next_dagrun_data_interval_start",
            "next_dagrun_data_interval_end",
            "next_dagrun_run_after",
        ];
        let kinds = json!(["backfill", "scheduled", "asset_triggered"]);
        let mut dag = json!({
            "dag_id": self.dag,
            "dag_display_name": self.dag,
            "is_paused": self.is_paused,
            "is_stale": false,
            "last_parsed_time": "2026-01-05T09:00:00Z",
            "last_parse_duration": 0.1,
            "bundle_name": "dags-folder",
            "relative_fileloc": "ci_build.py",
            "fileloc": "/opt/airflow/dags/ci_build.py",
            "timetable_description": "Never, external triggers only",
            "timetable_partitioned": false,
            "timetable_periodic": false,
            "tags": [],
            "max_active_tasks": 16,
            "max_active_runs": 16,
            "max_consecutive_failed_dag_runs": 0,
            "has_task_concurrency_limits": false,
            "has_import_errors": self.has_import_errors,
            "allowed_run_types": (!self.permits_manual_runs).then_some(kinds),
            "owners": ["airflow"],
            "is_backfillable": false,
            "file_token": "Ii9vcHQvYWlyZmxvdyI.x",
        });
        if let Some(dag) = dag.as_object_mut() {
            dag.extend(nothing.map(|name| (name.to_owned(), Value::Null)));
        }
        dag
    }
}
