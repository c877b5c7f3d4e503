"""The parts of a release that are programs of their own: `python3 -m unittest infra/release/release_test.py`."""

import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

os.environ.setdefault("SOURCE_DATE_EPOCH", "1700000000")
sys.path.insert(0, str(Path(__file__).parent))

import archive
import check_elf
import sbom


class Archive(unittest.TestCase):
    def test_the_same_files_make_the_same_bytes(self):
        for ending in (".tar.gz", ".zip"):
            made = []
            for mtime in (0, 10**9):
                with tempfile.TemporaryDirectory() as scratch:
                    folder = Path(scratch) / "program-1.0"
                    (folder / "man").mkdir(parents=True)
                    for name, mode in (("run", 0o700), ("man/page.1", 0o600)):
                        (folder / name).write_text(name)
                        (folder / name).chmod(mode)
                        os.utime(folder / name, (mtime, mtime))
                    target = Path(scratch) / f"a{ending}"
                    (archive.pack_zip if ending == ".zip" else archive.tar)(folder, target, [])
                    made.append(target.read_bytes())
            self.assertEqual(*made, ending)

    def test_what_runs_stays_so(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "f"
            folder.mkdir()
            (folder / "run").touch(0o755)
            (folder / "text").touch(0o644)
            archive.pack_zip(folder, Path(scratch) / "a.zip", ["run"])
            with zipfile.ZipFile(Path(scratch) / "a.zip") as packed:
                self.assertEqual([(entry.filename, entry.external_attr >> 16) for entry in packed.infolist()], [("run", 0o100755)])


class Elf(unittest.TestCase):
    @unittest.skipUnless(sys.platform == "linux", "programs here are no ELF files")
    def test_programs_of_this_machine(self):
        data = Path("/proc/self/exe").read_bytes()
        here = os.uname().machine
        other = {"x86_64": "aarch64"}.get(here, "x86_64")
        self.assertIn(f"it is for {here}", check_elf.problems(data, f"{other}-unknown-linux-gnu"))
        self.assertIn("it is not static", check_elf.problems(data, f"{here}-unknown-linux-musl"))

    def test_other_files(self):
        for data in (b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100)):
            self.assertEqual(len(check_elf.problems(data, "x86_64-unknown-linux-gnu")), 1, data)


class Sbom(unittest.TestCase):
    def test_what_only_builds_is_not_in_the_program(self):
        needs = lambda package, *kinds: {"pkg": package, "dep_kinds": [{"kind": kind} for kind in kinds]}
        nodes = {
            "root": {"deps": [needs("used", None), needs("builds", "build"), needs("tests", "dev"), needs("both", "build", None)]},
            "used": {"deps": [needs("deep", None), needs("root", "dev")]},
            "deep": {"deps": [needs("used", None)]},
            "both": {"deps": []},
        }
        expected = {"root": ["both", "used"], "used": ["deep"], "deep": ["used"], "both": []}
        self.assertEqual(sbom.linked(nodes, "root"), expected)

    def test_this_program_is_described(self):
        here = next(line[6:] for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines() if line.startswith("host: "))
        bill = sbom.bill(here, ["--no-default-features"])
        by_name = {component["name"]: component for component in bill["components"]}
        self.assertEqual(bill["metadata"]["component"]["name"], "image-origin")
        self.assertEqual(len(by_name["tokio"]["hashes"][0]["content"]), 64)
        self.assertEqual(by_name["tokio"]["licenses"], [{"expression": "MIT"}])
        self.assertNotIn("proptest", by_name)
        self.assertNotIn("aws-sdk-s3", by_name)
        refs = {component["bom-ref"] for component in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
        self.assertEqual({entry["ref"] for entry in bill["dependencies"]}, refs)


if __name__ == "__main__":
    unittest.main()
