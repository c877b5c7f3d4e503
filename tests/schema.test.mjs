// Holds every report that the tests of metadata make to docs/metadata.schema.json.
// Needs Node.js 20 and cargo; the validator comes from npm into target/npm.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const AJV = "ajv@8.20.0";

function run(command, ...args) {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
    return { ok: status === 0, output: `${stdout}${stderr}` };
}

function validator() {
    const require = createRequire(`${root}/target/npm/`);
    const Ajv = require("ajv/dist/2020.js").default;
    const schema = JSON.parse(readFileSync(`${root}/docs/metadata.schema.json`, "utf8"));
    return new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(schema);
}

test("reports keep to the published schema", (context) => {
    const installed = run("npm", "install", "--prefix", "target/npm", "--no-save", "--no-audit", "--no-fund", AJV);
    if (!installed.ok) return context.skip(`npm cannot install ${AJV}`);
    const made = run("cargo", "test", "--quiet", "--test", "all", "reports_are_made");
    assert.ok(made.ok, made.output);
    const validate = validator();
    const lines = readFileSync(`${root}/target/tmp/metadata-reports.jsonl`, "utf8").trim().split("\n");
    for (const line of lines) {
        const { name, report } = JSON.parse(line);
        assert.ok(validate(report), `${name}: ${JSON.stringify(validate.errors, null, 2)}`);
    }
    context.diagnostic(`${lines.length} reports`);
    assert.ok(!validate({ format: 1 }), "what is no report is refused");
});
