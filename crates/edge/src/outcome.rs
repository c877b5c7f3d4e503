//! What a function decides.

use crate::event::{Request, Response};
use crate::problem::Problem;

/// The decision of one function, with its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What CloudFront is to do.
    pub action: Action,
    /// The reason in words, for the operator only: it may name claims, rules and origins.
    pub why: String,
    /// A key set worth fetching: with it, the same event may be decided otherwise.
    #[cfg(feature = "viewer-request")]
    pub refresh: Option<crate::auth::Refresh>,
}

/// What CloudFront is to do.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Action {
    /// Go on with this request.
    Forward(Box<Request>),
    /// Answer with this response.
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
        Self::respond(problem.response(&request.method), why)
    }

    fn new(action: Action, why: String) -> Self {
        Self {
            action,
            why,
            #[cfg(feature = "viewer-request")]
            refresh: None,
        }
    }
}
