"""Holds the module and its examples against the provider's schema, without a provider: Terraform's registry may be out of reach.

    python3 infra/terraform/check.py TYPES FOLDER...

TYPES is the folder `lib` of the npm package @cdktf/provider-aws, whose declarations name each argument and nested block of the
provider, and which of them are required. Each FOLDER is a module. Checked are resources, data sources, arguments and blocks at
every depth; that what is referred to exists; that references make no circle; that calls of a module give it what it wants.
"""

import re
import sys
from pathlib import Path

import hcl2

META = {"count", "for_each", "depends_on", "lifecycle", "provider", "provisioner", "connection", "dynamic"}
MEMBER = re.compile(r"(\w+)#(\w+)\}.*?readonly (\w+)(\??): ([^;]+);", re.S)


class Schema:
    """The declarations of one resource: blocks by name, and for each its members."""

    def __init__(self, types: Path, kind: str, is_data: bool):
        folder = ("data-aws-" if is_data else "") + kind.removeprefix("aws_").replace("_", "-")
        files = [types / folder / "index.d.ts", *sorted((types / folder).glob("index-structs/*.d.ts"))]
        text = "\n".join(file.read_text() for file in files if file.exists())
        self.blocks = {
            name: self.members(body)
            for name, body in re.findall(r"export interface (\w+)[^{]*\{(.*?)\n\}", text, re.S)
        }
        configs = [name for name in self.blocks if name.endswith("Config") and f"{name} extends cdktf.Terraform" in text]
        self.root = configs[0] if configs else None

    @staticmethod
    def members(body: str) -> dict:
        return {
            name: {"required": not optional, "type": of.split("|")[0].strip().removesuffix("[]")}
            for _, name, _, optional, of in MEMBER.findall(body)
        }

    def problems(self, where: str, body: dict, block: str | None = None):
        members = self.blocks.get(block or self.root, {})
        dynamic = {name for one in body.get("dynamic", []) for name in one}
        for name in (n for n, m in members.items() if m["required"] and n not in body and n not in dynamic):
            yield f"{where}: `{name}` is required"
        for name, value in body.items():
            if name in META and name != "dynamic":
                continue
            if name == "dynamic":
                for one in value:
                    for inner, made in one.items():
                        yield from self.nested(where, members, inner, made.get("content", [{}]))
            else:
                yield from self.nested(where, members, name, value)

    def nested(self, where: str, members: dict, name: str, value):
        if name not in members:
            yield f"{where}: there is no `{name}`"
            return
        of = members[name]["type"]
        if of in self.blocks and isinstance(value, list):
            for one in value:
                if isinstance(one, dict):
                    yield from self.problems(f"{where}.{name}", one, of)
        elif of not in self.blocks and isinstance(value, list) and value and isinstance(value[0], dict) and "[" not in of:
            if not of.startswith(("string", "number", "{")):
                yield f"{where}: `{name}` is no block but {of}"


def plain(value):
    """Without the quotes and marks that python-hcl2 leaves in names and texts."""
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items() if not str(k).startswith("__")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value[1:-1] if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"' else value


class Module:
    def __init__(self, folder: Path):
        self.folder = folder
        self.text = {file: re.sub(r"(?m)^\s*#.*$", "", file.read_text()) for file in sorted(folder.glob("*.tf"))}
        self.parts = {}
        for file in self.text:
            for kind, entries in plain(hcl2.loads(file.read_text())).items():
                self.parts.setdefault(kind, []).extend(entries)
        self.variables = self.named("variable")
        self.locals = {k: v for one in self.parts.get("locals", []) for k, v in one.items()}
        self.resources = {f"{t}.{n}": b for one in self.parts.get("resource", []) for t, by in one.items() for n, b in by.items()}
        self.data = {f"data.{t}.{n}": b for one in self.parts.get("data", []) for t, by in one.items() for n, b in by.items()}
        self.modules = self.named("module")

    def named(self, kind: str) -> dict:
        return {name: body for one in self.parts.get(kind, []) for name, body in one.items()}

    def known(self) -> dict:
        return {
            **{f"var.{n}": b for n, b in self.variables.items()},
            **{f"local.{n}": b for n, b in self.locals.items()},
            **{f"module.{n}": b for n, b in self.modules.items()},
            **self.resources,
            **self.data,
        }

    def references(self, value) -> set:
        text = str(value)
        found = set(re.findall(r"\b(?:var|local|module)\.\w+", text))
        found |= set(re.findall(r"\bdata\.aws_\w+\.\w+", text))
        return found | set(re.findall(r"(?<![\w.])aws_\w+\.\w+", text))

    def problems(self, types: Path):
        for name, body in {**self.resources, **self.data}.items():
            kind = name.removeprefix("data.").split(".")[0]
            schema = Schema(types, kind, name.startswith("data."))
            if schema.root is None:
                yield f"{name}: the provider has no {kind}"
            else:
                yield from schema.problems(name, body)
        known = self.known()
        for file, text in self.text.items():
            for name in sorted(self.references(text) - set(known)):
                yield f"{file.name}: there is no {name}"
        yield from self.circles(known)
        for name, body in self.modules.items():
            yield from self.call(name, body)

    def circles(self, known: dict):
        done, open_ = set(), []

        def visit(name):
            if name in open_:
                return " -> ".join([*open_[open_.index(name):], name])
            if name in done or name not in known:
                return None
            open_.append(name)
            found = next(filter(None, map(visit, sorted(self.references(known[name]) - {name}))), None)
            open_.pop()
            done.add(name)
            return found

        for name in known:
            if not name.startswith("var."):
                if circle := visit(name):
                    yield f"a circle: {circle}"

    def call(self, name: str, body: dict):
        called = Module((self.folder / body["source"]).resolve())
        given = set(body) - {"source", "version", "providers", "count", "for_each", "depends_on"}
        for unknown in sorted(given - set(called.variables)):
            yield f"module.{name}: there is no variable {unknown}"
        for wanted in (n for n, b in called.variables.items() if "default" not in b and n not in given):
            yield f"module.{name}: {wanted} is needed"
        outputs = called.named("output")
        for output in set(re.findall(rf"module\.{name}\.(\w+)", " ".join(self.text.values()))) - set(outputs):
            yield f"module.{name} has no output {output}"


def main() -> int:
    types, *folders = map(Path, sys.argv[1:])
    failed = 0
    for folder in folders:
        module = Module(folder)
        problems = list(module.problems(types))
        for problem in problems:
            print(f"{folder}: {problem}")
        failed += len(problems)
        print(f"{folder}: {len(module.resources)} resources, {len(module.modules)} modules, {len(problems)} problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
