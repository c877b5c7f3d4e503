//! The error type of the commands: a message for the terminal and an exit code for scripts.

use std::process::ExitCode;

/// A message and an exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Empty if the error has been printed already.
    pub(super) message: String,
    code: u8,
}

impl Failure {
    /// The exit code that shells report for programs ended by Ctrl-C.
    pub(super) const INTERRUPTED: u8 = 130;

    /// A usage error: an argument or a setting is invalid and nothing was done. Exit code 2, as clap uses for unknown flags.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// A partial failure. Exit code 3.
    pub(super) fn partly(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 3 }
    }

    /// Interrupted by Ctrl-C. Exit code 130.
    pub(super) fn interrupted(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Self::INTERRUPTED }
    }

    /// A failure that has been reported already. Exit code 1.
    pub(super) fn told() -> Self {
        String::new().into()
    }

    /// Prints the message, unless it has been printed already.
    pub(super) fn print(self) {
        if !self.message.is_empty() {
            eprintln!("image-origin: {}", self.message);
        }
    }

    /// Prints the message and returns the exit code.
    pub(super) fn end(self) -> ExitCode {
        let code = self.code;
        self.print();
        code.into()
    }
}

/// Any other failure. Exit code 1.
impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, code: 1 }
    }
}
