//! Cores for a second thread.

use std::fmt;
use std::sync::Arc;

/// What stands for the use of a core: it is dropped when the core is no longer used.
pub type Permit = Box<dyn Send>;

/// Says whether a decode may use a second core. By default it may not.
#[derive(Clone, Default)]
pub struct Cores(Option<Arc<dyn Fn() -> Option<Permit> + Send + Sync>>);

impl Cores {
    /// A single core.
    pub const ONE: &'static Self = &Self(None);

    /// Cores for which there are permits: `idle` is called when a second core is of use, must not wait, and returns none if
    /// there is other work.
    pub fn new(idle: impl Fn() -> Option<Permit> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(idle)))
    }

    /// A permit to use a second core, if one is idle.
    pub fn second(&self) -> Option<Permit> {
        self.0.as_ref().and_then(|idle| idle())
    }
}

impl fmt::Debug for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cores").field(&self.0.is_some()).finish()
    }
}
