//! The outcome of a function.

use crate::event::{Request, Response};
use crate::problem::Problem;

/// The decision of a function and its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The action for CloudFront.
    pub action: Action,
    /// The reason, for the operator only: it may contain claims, rules and origins.
    pub why: String,
    /// The stable code of the problem, if the response is one.
    pub code: Option<&'static str>,
    /// A request to another server: with its answer, the same event may be decided differently.
    #[cfg(feature = "viewer-request")]
    pub lookup: Option<Box<crate::auth::Lookup>>,
}

/// The action for CloudFront.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Action {
    /// Forward this request.
    Forward(Box<Request>),
    /// Respond with this response.
    Respond(Box<Response>),
}

impl Outcome {
    pub(crate) fn forward(request: Request, why: impl Into<String>) -> Self {
        Self::new(Action::Forward(Box::new(request)), why.into())
    }

    pub(crate) fn respond(response: Response, why: impl Into<String>) -> Self {
        Self::new(Action::Respond(Box::new(response)), why.into())
    }

    pub(crate) fn refuse(problem: &Problem, request: &Request, why: impl Into<String>) -> Self {
        Self { code: Some(problem.code), ..Self::respond(problem.response(&request.method), why) }
    }

    fn new(action: Action, why: String) -> Self {
        Self {
            action,
            why,
            code: None,
            #[cfg(feature = "viewer-request")]
            lookup: None,
        }
    }
}
