//! Builds over REST: list, cancel, tag.

use serde_json::json;

use super::pipeline::{Pipeline, Record};
use super::refusal::{access_denied, already_completed, build_unknown};
use crate::ado::rest::query_parameters::{number, paging, point_in_time};
use crate::ado::rest::refusal::{bad_request, page_not_found, refuse_unless};
use crate::ado::rest::render::list;
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::world::World;
use crate::http::{Request, Response};
use crate::systems::{Build, State};

/// The query parameters of the list that the fake has. It refuses others, which ADO may have.
const LISTING: [&str; 9] = [
    "api-version",
    "definitions",
    "buildIds",
    "branchName",
    "minTime",
    "maxTime",
    "queryOrder",
    "$top",
    "continuationToken",
];
/// The most builds in an answer.
const MOST: usize = 5_000;

/// One build with all that belongs to it.
type Entry<'a> = (&'a Pipeline, &'a Build, &'a Record);

/// By which time the list is ordered and bounded.
#[derive(Debug, Clone, Copy)]
enum Time {
    Queue,
    Start,
    Finish,
}

impl Time {
    fn of(self, (_, build, record): &Entry<'_>) -> Option<i64> {
        match self {
            Self::Queue => Some(build.started_ms),
            Self::Start => record.started_ms,
            Self::Finish => record.finished_ms,
        }
    }
}

impl World {
    /// `GET _apis/build/builds`. The bounds in time are on the time that the order goes by; without
    /// an order that is the end, which a build has only when it has ended.
    pub(super) fn list_builds(&self, call: &Call<'_>) -> Reply {
        let request = call.request;
        for (name, _) in &request.query {
            let is_known = LISTING.iter().any(|one| one.eq_ignore_ascii_case(name));
            refuse_unless(is_known, &format!("The list of builds has no parameter {name} here."))?;
        }
        let (definitions, numbers) = (ids(request, "definitions")?, ids(request, "buildIds")?);
        let (time, is_descending) = order(request)?;
        let bound =
            |name: &str| request.query(name).map(|text| point_in_time(name, text)).transpose();
        let (from, to) = (bound("minTime")?, bound("maxTime")?);
        let (top, _) = paging(request, 1_000)?;
        refuse_unless((1..=MOST).contains(&top), "$top must be between 1 and 5000.")?;
        let skip = number(request, "continuationToken")?.unwrap_or(0);
        let mut found = self.visible_builds(call)?;
        found.retain(|entry| {
            let (pipeline, build, _) = *entry;
            let at = time.of(entry);
            definitions.as_ref().is_none_or(|ids| ids.contains(&pipeline.id))
                && numbers.as_ref().is_none_or(|ids| ids.contains(&build.number))
                && request.query("branchName").is_none_or(|name| name == build.git_ref)
                && from.is_none_or(|from| at.is_some_and(|at| at >= from))
                && to.is_none_or(|to| at.is_some_and(|at| at <= to))
                && build.started_ms.saturating_add(self.options.build_list_lag_ms) <= self.now_ms
        });
        found.sort_by_key(|entry| (time.of(entry), entry.1.number));
        if is_descending {
            found.reverse();
        }
        let mut rest = found.into_iter().skip(skip);
        let page = rest.by_ref().take(top).map(|(pipeline, build, _)| {
            let mut value = self.build_json(pipeline, build);
            if let Some(object) = value.as_object_mut().filter(|_| self.options.bare_build_list) {
                object.remove("templateParameters");
            }
            value
        });
        let response = Response::json(200, &list(page.collect()));
        Ok(match rest.next() {
            Some(_) => response.with_header("x-ms-continuationtoken", &(skip + top).to_string()),
            None => response,
        })
    }

    /// The builds in the project of the path that the caller may see.
    fn visible_builds(&self, call: &Call<'_>) -> Result<Vec<Entry<'_>>, Response> {
        let project = call.project.as_ref().ok_or_else(page_not_found)?;
        let pipelines = self.pipelines.values().filter(|one| {
            self.repository(&one.repository).project == *project
                && self.may_with_pipeline(&call.caller.identity, Permission::ViewBuilds, one.id)
        });
        let entries = pipelines.flat_map(|pipeline| {
            pipeline.records.iter().filter_map(move |(number, record)| {
                Some((pipeline, pipeline.builds.get(*number)?, record))
            })
        });
        Ok(entries.collect())
    }

    pub(super) fn visible_build(
        &self,
        call: &Call<'_>,
        number: &str,
    ) -> Result<(&Pipeline, &Build), Response> {
        let wanted = number.parse::<u64>().ok();
        let mut all = self.visible_builds(call)?.into_iter();
        let found = all.find(|(_, build, _)| Some(build.number) == wanted);
        let found = found.map(|(pipeline, build, _)| (pipeline, build));
        found.ok_or_else(|| build_unknown(number))
    }

    /// The pipeline and the number of a build, if the caller has a permission there.
    fn permitted_build(
        &self,
        call: &Call<'_>,
        number: &str,
        (permission, name): (Permission, &str),
    ) -> Result<(u64, u64), Response> {
        let (pipeline, build) = self.visible_build(call, number)?;
        let caller = &call.caller.identity;
        if !self.may_with_pipeline(caller, permission, pipeline.id) {
            return Err(access_denied(&self.identity(caller).display_name, name, pipeline));
        }
        Ok((pipeline.id, build.number))
    }

    /// `PATCH _apis/build/builds/{id}`: cancels. What ADO answers for a build that has ended is not
    /// documented; the options choose.
    pub(super) fn change_build(&mut self, call: &Call<'_>, number: &str) -> Reply {
        let needed = (Permission::StopBuilds, "Stop builds");
        let (id, number) = self.permitted_build(call, number, needed)?;
        let body = call.json()?;
        let is_cancel = body == json!({"status": "cancelling"});
        refuse_unless(is_cancel, "A build takes nothing here but the status cancelling.")?;
        let has_ended = |build: &Build| build.state.is_final();
        let was_over = self.pipeline(id).builds.get(number).is_some_and(has_ended);
        if was_over && !self.options.allows_late_cancel {
            return Err(already_completed(number));
        }
        let cancelled = self.pipeline_mut(id).builds.cancel(number);
        let mut build = cancelled.ok_or_else(|| build_unknown(&number.to_string()))?;
        if !was_over {
            // It ends after the answer, even where nothing of it has begun.
            build = Build { state: State::Running, ..build };
        }
        let answer = self.build_json(self.pipeline(id), &build);
        self.settle_builds();
        Ok(Response::json(200, &answer))
    }

    /// `PUT _apis/build/builds/{id}/tags/{tag}`: adds a tag, and answers all of them.
    pub(super) fn tag_build(&mut self, call: &Call<'_>, number: &str) -> Reply {
        let needed = (Permission::EditBuildQuality, "Edit build quality");
        let (id, number) = self.permitted_build(call, number, needed)?;
        // The path was compared without case; a tag keeps its case.
        let tag = call.request.segments().pop().unwrap_or_default();
        // The web server of ADO refuses these in a path.
        if tag.contains(['<', '>', '*', '%', '&', ':', '\\', '?']) {
            let text = "A potentially dangerous Request.Path value was detected from the client.";
            return Err(Response::html(400, text));
        }
        refuse_unless(tag.len() <= 256, "A tag has at most 256 characters.")?;
        let unknown = || build_unknown(&number.to_string());
        let record = self.pipeline_mut(id).records.get_mut(&number).ok_or_else(unknown)?;
        if !record.tags.iter().any(|one| one.eq_ignore_ascii_case(&tag)) {
            record.tags.push(tag);
        }
        let tags = record.tags.iter().map(|tag| json!(tag)).collect();
        Ok(Response::json(200, &list(tags)))
    }
}

/// Numbers separated by commas; none where the parameter is not given or empty.
fn ids(request: &Request, name: &str) -> Result<Option<Vec<u64>>, Response> {
    let Some(given) = request.query(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let numbers: Result<Vec<_>, _> = given.split(',').map(|one| one.trim().parse()).collect();
    numbers.map(Some).map_err(|_| bad_request(&format!("{name} must be numbers.")))
}

fn order(request: &Request) -> Result<(Time, bool), Response> {
    let given = request.query("queryOrder").unwrap_or("finishTimeDescending");
    let (time, is_descending) = match given.strip_suffix("Descending") {
        Some(time) => (time, true),
        None => (given.strip_suffix("Ascending").unwrap_or_default(), false),
    };
    let time = match time {
        "queueTime" => Time::Queue,
        "startTime" => Time::Start,
        "finishTime" => Time::Finish,
        _ => return Err(bad_request(&format!("There is no query order {given}."))),
    };
    Ok((time, is_descending))
}
