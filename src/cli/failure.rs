//! The error type of the commands: a message for the terminal and an exit code for scripts.

use std::borrow::Cow;
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
            eprintln!("image-origin: {}", printable(&self.message));
        }
    }

    /// Prints the message and returns the exit code.
    pub(super) fn end(self) -> ExitCode {
        let code = self.code;
        self.print();
        code.into()
    }
}

/// A failure to write to standard output. If its reader has closed it, there is nothing to tell.
pub(super) fn output_failed(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::told(),
        _ => format!("standard output: {error}").into(),
    }
}

/// The text with control characters other than line breaks and tabs, and marks that change the direction of text, as question marks,
/// as `ls` prints them: names of files must not command the terminal. Errors of the system are without their numbers.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let text = without_numbers(text);
    let is_command = |character: char| {
        (character.is_control() && !matches!(character, '\n' | '\t'))
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(is_command) { text.replace(is_command, "?").into() } else { text }
}

/// The text without the numbers that the standard library appends to errors of the system: "(os error 2)".
pub(super) fn without_numbers(text: &str) -> Cow<'_, str> {
    const START: &str = " (os error ";
    let mut pieces = text.split(START);
    let Some(first) = pieces.next().filter(|first| first.len() < text.len()) else { return text.into() };
    let mut out = first.to_owned();
    for piece in pieces {
        let number = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        match number.strip_prefix(')').filter(|_| number.len() < piece.len()) {
            Some(rest) => out.push_str(rest),
            None => out.extend([START, piece]),
        }
    }
    out.into()
}

/// Any other failure. Exit code 1.
impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, code: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_command_the_terminal() {
        for (text, printed) in [
            ("größe — 1.jpg\nand more", "größe — 1.jpg\nand more"),
            ("\u{1b}[31mred\u{7}.jpg", "?[31mred?.jpg"),
            ("a\rb\tc\u{9b}d", "a?b\tc?d"),
            ("photo\u{202e}gpj.exe", "photo?gpj.exe"),
            ("a: No such file or directory (os error 2)", "a: No such file or directory"),
            ("one (os error 13); two (os error 2)\u{7}", "one; two?"),
            ("a (os error ).jpg, b (os error x), c (os error 3", "a (os error ).jpg, b (os error x), c (os error 3"),
        ] {
            assert_eq!(printable(text), printed);
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_not_told() {
        let failure = |kind: std::io::ErrorKind| output_failed(&kind.into());
        assert_eq!(failure(std::io::ErrorKind::BrokenPipe), Failure::told());
        assert!(failure(std::io::ErrorKind::StorageFull).message.starts_with("standard output: "));
    }
}
