"""Packs a folder as a .tar.gz or .zip: the same files make the same bytes, whoever packs them and when.

    archive.py FOLDER ARCHIVE [FILE...]

A .tar.gz holds the folder, a .zip its files. With FILEs, only these.
"""

import gzip
import os
import sys
import tarfile
import time
import zipfile
from pathlib import Path

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])


def mode(path: Path) -> int:
    return 0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644


def entries(folder: Path, names: list[str]) -> list[Path]:
    return [folder / name for name in names] or sorted(folder.rglob("*"))


def tar(folder: Path, archive: Path, names: list[str]) -> None:
    with (
        open(archive, "wb") as file,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as packed,
    ):
        for path in entries(folder, names):
            entry = packed.gettarinfo(path, f"{folder.name}/{path.relative_to(folder)}")
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime, entry.mode = EPOCH, mode(path)
            if path.is_dir():
                packed.addfile(entry)
            else:
                with open(path, "rb") as content:
                    packed.addfile(entry, content)


def pack_zip(folder: Path, archive: Path, names: list[str]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in entries(folder, names):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(folder)), time.gmtime(EPOCH)[:6])
                entry.external_attr, entry.compress_type = (0o100000 | mode(path)) << 16, zipfile.ZIP_DEFLATED
                packed.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    folder, archive, *names = sys.argv[1:]
    pack = pack_zip if archive.endswith(".zip") else tar
    pack(Path(folder), Path(archive), names)
