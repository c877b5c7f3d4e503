"""Writes what a program is made of as CycloneDX 1.5: every crate that is compiled into it for a target.

    sbom.py TARGET [--no-default-features] [--features LIST]

Crates that only build, such as build scripts' own, and those of tests are not in the program and not in the list.
"""

import json
import os
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone

ROOT = "image-origin"


def metadata(target: str, arguments: list[str]) -> dict:
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def checksums() -> dict[tuple[str, str], str]:
    """SHA-256 of the packages, as Cargo.lock has them."""
    with open("Cargo.lock", encoding="utf-8") as file:
        packages = file.read().split("[[package]]")[1:]
    found = {}
    for package in packages:
        fields = dict(re.findall(r'^(name|version|checksum) = "(.*)"$', package, re.M))
        if "checksum" in fields:
            found[fields["name"], fields["version"]] = fields["checksum"]
    return found


def linked(nodes: dict[str, dict], root: str) -> dict[str, list[str]]:
    """The packages that are compiled into `root`, with those that each needs for that."""
    graph, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package in graph:
            continue
        needs = [need["pkg"] for need in nodes[package]["deps"] if any(kind["kind"] is None for kind in need["dep_kinds"])]
        graph[package] = sorted(needs)
        waiting += needs
    return graph


def purl(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package: dict, sums: dict) -> dict:
    described = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        # Cargo took `/` for OR before it took SPDX.
        described["licenses"] = [{"expression": package["license"].replace(" / ", " OR ").replace("/", " OR ")}]
    elif package["license_file"]:
        described["licenses"] = [{"license": {"name": f"the text in {package['license_file']} of the package"}}]
    checksum = sums.get((package["name"], package["version"]))
    if checksum:
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        described["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return described


def bill(target: str, arguments: list[str]) -> dict:
    known = metadata(target, arguments)
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    root = next(id for id in known["workspace_members"] if packages[id]["name"] == ROOT)
    graph, sums = linked(nodes, root), checksums()
    described = {id: component(packages[id], sums) for id in sorted(graph, key=lambda id: purl(packages[id]))}
    program = {**described.pop(root), "type": "application"}
    built = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{purl(packages[root])}?{target}&{built}')}",
        "version": 1,
        "metadata": {
            "timestamp": built.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": program,
            "properties": [{"name": "target", "value": target}],
        },
        "components": list(described.values()),
        "dependencies": [
            {"ref": purl(packages[id]), "dependsOn": sorted(purl(packages[need]) for need in set(needs))}
            for id, needs in sorted(graph.items(), key=lambda item: purl(packages[item[0]]))
        ],
    }


if __name__ == "__main__":
    target, *arguments = sys.argv[1:]
    json.dump(bill(target, arguments), sys.stdout, indent=1)
    print()
