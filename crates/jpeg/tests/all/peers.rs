//! What libjpeg-turbo makes of the same input. It is kept in `tests/references/`, so the peer takes part wherever the
//! tests run; with `UPDATE_REFERENCES=1` the programs `djpeg` and `cjpeg` are asked, and the files are written anew.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A peer's answers by case, in a file of a test's own.
pub(crate) struct Recorded {
    path: PathBuf,
    answers: BTreeMap<String, String>,
    asks: bool,
}

impl Recorded {
    pub(crate) fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references").join(name);
        let asks = std::env::var_os("UPDATE_REFERENCES").is_some();
        let text = if asks { String::new() } else { std::fs::read_to_string(&path).unwrap() };
        let pairs = text.lines().map(|line| line.split_once(": ").unwrap());
        Self { path, answers: pairs.map(|(case, answer)| (case.to_owned(), answer.to_owned())).collect(), asks }
    }

    /// The answer to a case; it is asked for where answers are written anew.
    pub(crate) fn answer(&mut self, case: &str, ask: impl FnOnce() -> String) -> &str {
        if self.asks {
            self.answers.insert(case.to_owned(), ask());
        }
        self.answers.get(case).unwrap_or_else(|| panic!("no answer to {case}: UPDATE_REFERENCES=1"))
    }

    /// Writes new answers, and checks that there are as many as cases.
    pub(crate) fn close(self, cases: usize) {
        assert_eq!(self.answers.len(), cases, "cases of {}", self.path.display());
        if self.asks {
            let lines: Vec<_> = self.answers.iter().map(|(case, answer)| format!("{case}: {answer}\n")).collect();
            std::fs::write(&self.path, lines.concat()).unwrap();
        }
    }
}

/// Samples as a number that fits into a line.
pub(crate) fn checksum(samples: &[u8]) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(samples);
    format!("{:08x}", crc.sum())
}

fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("libjpeg-turbo's programs");
    let mut pipe = child.stdin.take().unwrap();
    // From another thread: neither side may wait for the other to empty its pipe.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

/// What `djpeg` makes of a file: width, height and samples.
pub(crate) fn djpeg(file: &[u8], arguments: &[&str]) -> (usize, usize, Vec<u8>) {
    let pnm = run(Command::new("djpeg").args(["-dct", "int"]).args(arguments), file);
    // PNM: kind, width, height, largest sample; each followed by one white space.
    let mut at = 0;
    let mut fields = Vec::new();
    while fields.len() < 4 {
        let end = at + pnm[at..].iter().position(u8::is_ascii_whitespace).unwrap();
        fields.push(std::str::from_utf8(&pnm[at..end]).unwrap());
        at = end + 1;
    }
    (fields[1].parse().unwrap(), fields[2].parse().unwrap(), pnm[at..].to_vec())
}

/// What `cjpeg` makes of a picture in PNM.
pub(crate) fn cjpeg(pnm: &[u8], arguments: &[&str]) -> Vec<u8> {
    run(Command::new("cjpeg").args(arguments), pnm)
}
