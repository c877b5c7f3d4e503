//! How the program ends when something has failed: with a message for the one at the terminal, and a code for scripts.

use std::process::ExitCode;

/// A message and an exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Empty where all has been said.
    pub(super) message: String,
    code: u8,
}

impl Failure {
    /// As shells have it for programs that Ctrl-C has ended.
    pub(super) const INTERRUPTED: u8 = 130;

    /// The command line, or a setting, is wrong, and nothing was done: 2, as for flags that do not exist.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// Some of several things have failed: 3.
    pub(super) fn partly(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 3 }
    }

    /// Somebody pressed Ctrl-C: 130.
    pub(super) fn interrupted(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Self::INTERRUPTED }
    }

    /// What has been told already: 1.
    pub(super) fn told() -> Self {
        String::new().into()
    }

    /// Prints the message, if all has not been said.
    pub(super) fn print(self) {
        if !self.message.is_empty() {
            eprintln!("image-origin: {}", self.message);
        }
    }

    /// Prints the message and gives the code.
    pub(super) fn end(self) -> ExitCode {
        let code = self.code;
        self.print();
        code.into()
    }
}

/// Anything else: 1.
impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, code: 1 }
    }
}
