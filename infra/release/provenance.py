"""Prints the predicate of SLSA's provenance v1 for a release: from which commit it was built, and by which workflow.

.github/workflows/release.yml has it signed for the files in SHA256SUMS. Elsewhere it says that it was a laptop.
"""

import json
import os
import subprocess
import sys

SERVER = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
REPOSITORY = os.environ.get("GITHUB_REPOSITORY")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def predicate() -> dict:
    commit = run("git", "rev-parse", "HEAD")
    source = f"git+{SERVER}/{REPOSITORY}" if REPOSITORY else "git+file:///image-origin"
    builder = f"{SERVER}/{REPOSITORY}/.github/workflows/release.yml" if REPOSITORY else "urn:image-origin:laptop"
    invocation = f"{SERVER}/{REPOSITORY}/actions/runs/{os.environ['GITHUB_RUN_ID']}" if REPOSITORY else "urn:image-origin:dry-run"
    lock = run("git", "hash-object", "Cargo.lock")
    return {
        "buildDefinition": {
            "buildType": f"{builder}@v1" if REPOSITORY else "urn:image-origin:release:v1",
            "externalParameters": {"ref": os.environ.get("GITHUB_REF", "HEAD"), "scripts": "infra/release"},
            "internalParameters": {"rustc": run("rustc", "--version")},
            "resolvedDependencies": [
                {"uri": source, "digest": {"gitCommit": commit}},
                {"uri": f"{source}#Cargo.lock", "digest": {"gitBlob": lock}},
            ],
        },
        "runDetails": {"builder": {"id": builder}, "metadata": {"invocationId": invocation}},
    }


if __name__ == "__main__":
    json.dump(predicate(), sys.stdout, indent=1)
    print()
