//! What all worlds have in common: faults, a journal, and answers to requests.

use std::borrow::Cow;

use crate::faults::{Action, Faults};
use crate::http::{Request, Response};
use crate::journal::Journal;

/// The faults and the journal of a world that has fields of these names.
macro_rules! kept_in_fields {
    () => {
        fn faults(&mut self) -> &mut $crate::faults::Faults {
            &mut self.faults
        }

        fn journal(&mut self) -> &mut $crate::journal::Journal {
            &mut self.journal
        }
    };
}

pub(crate) use kept_in_fields;

/// A world that answers HTTP requests.
pub trait Neighbour {
    /// The rules by which it misbehaves.
    fn faults(&mut self) -> &mut Faults;

    /// The requests that it has received.
    fn journal(&mut self) -> &mut Journal;

    /// Applies a request and answers it, without a record in the journal.
    fn answer(&mut self, request: &Request, now_ms: i64) -> Response;

    /// The request as the journal may have it.
    fn without_secrets<'a>(&self, request: &'a Request) -> Cow<'a, Request> {
        Cow::Borrowed(request)
    }

    /// Answers a request and records it. Faults do not apply: call `faults().decide` first where
    /// they should.
    fn handle(&mut self, request: &Request, now_ms: i64) -> Response {
        let response = self.answer(request, now_ms);
        let recorded = self.without_secrets(request);
        self.journal().record(&recorded, response.status, None, now_ms);
        response
    }

    /// Answers a request to which a fault applies, and records it; none when the fault drops the
    /// request.
    fn handle_with_fault(
        &mut self,
        request: &Request,
        fault: &Action,
        now_ms: i64,
    ) -> Option<Response> {
        let (response, status) = fault.answer(|| self.answer(request, now_ms));
        let recorded = self.without_secrets(request);
        self.journal().record(&recorded, status, Some(fault.name()), now_ms);
        response
    }
}
