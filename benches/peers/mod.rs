//! sharp, asked by a bench for the same work in the same run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A process of Node.js with sharp in it, which does one piece of work at a time on one thread.
pub(crate) struct Sharp {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What sharp needed: on the clock, and on the processor.
pub(crate) struct Took {
    pub(crate) clock: Duration,
    pub(crate) processor: Duration,
}

impl Sharp {
    /// Starts sharp, and installs it from npm first where it is not there; else says what is missing.
    pub(crate) fn start() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        if !folder.join("node_modules/sharp").is_dir() {
            println!("sharp is not there: asking npm for it");
            let options = ["install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
            let once = ["--fetch-retries=0", "--fetch-timeout=20000"];
            let npm = Command::new("npm").args(options).args(once).current_dir(&folder).output();
            let npm = npm.map_err(|_| "Node.js 20 or newer with npm has to be installed".to_owned())?;
            if !npm.status.success() {
                return Err(format!("npm cannot install sharp: {}", String::from_utf8_lossy(&npm.stderr).trim()));
            }
        }
        let process = Command::new("node")
            .arg(folder.join("sharp.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|_| "Node.js 20 or newer has to be installed".to_owned());
        let mut process = process?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err("node has no pipes".to_owned()) };
        Ok(Self { process, input, output: BufReader::new(output) })
    }

    /// Does what a query asks with a file, which holds bare pixels where `raw` gives their width, height and channels.
    pub(crate) fn ask(&mut self, file: &Path, query: &str, raw: Option<[u32; 3]>) -> Result<Took, String> {
        let raw =
            raw.map(|[width, height, channels]| json!({ "width": width, "height": height, "channels": channels }));
        let job = json!({ "file": file, "query": query, "raw": raw });
        writeln!(self.input, "{job}").map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&line).map_err(|_| "sharp has given up".to_owned())?;
        let time = |name: &str| answer[name].as_f64().map(|ms| Duration::from_secs_f64(ms / 1e3));
        time("ms")
            .zip(time("cpu_ms"))
            .map(|(clock, processor)| Took { clock, processor })
            .ok_or_else(|| format!("sharp answers {line}"))
    }
}

impl Drop for Sharp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
