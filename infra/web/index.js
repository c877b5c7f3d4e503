// Starts image-origin in an AWS Lambda web function, whose runtime is Node.js 24: it loads this file and expects an HTTP
// server on AWS_LAMBDA_HTTP_ENDPOINT, which `image-origin serve` reads itself. Signals are passed on, the exit status is
// the program's, and neither outlives the other.

"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { join } = require("node:path");

const program = process.env.IMAGE_ORIGIN_PROGRAM ?? join(__dirname, "image-origin");

// Its standard input is a pipe that nobody writes to: it closes when this process ends, however that comes about, and
// the program takes that as a signal to stop.
const child = spawn(program, ["serve"], {
  stdio: ["pipe", "inherit", "inherit"],
  env: { ...process.env, IMAGE_ORIGIN_STOP_WITH_STDIN: "true" },
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal === "SIGHUP" ? "SIGTERM" : signal));
}

child.on("error", (error) => {
  console.error(`image-origin cannot be started: ${error.message}`);
  process.exit(1);
});

child.on("exit", (status, signal) => {
  process.exit(signal ? 128 + constants.signals[signal] : status);
});
