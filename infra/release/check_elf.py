"""Checks that a program for Linux is for its target: the processor, and the libraries and the glibc that it needs.

    check_elf.py PROGRAM TARGET

Reads the headers itself, since `ldd` runs a program, and one for another processor does not run.
"""

import re
import struct
import sys

MACHINES = {62: "x86_64", 183: "aarch64"}
LIBRARIES = re.compile(rb"lib(c|m|gcc_s|pthread|dl|rt|util)\.so\.\d+|ld-linux-[a-z0-9-]+\.so\.\d+")
NEWEST_GLIBC = (2, 34)
INTERPRETER, DYNAMIC = 3, 2
NEEDED, STRTAB = 1, 5


def problems(data: bytes, target: str) -> list[str]:
    """What does not fit, a sentence each."""
    if data[:6] != b"\x7fELF\x02\x01":
        return ["it is no ELF file of 64 bits, little end first"]
    machine = MACHINES.get(struct.unpack_from("<H", data, 18)[0], "another")
    found = []
    if machine != target.split("-")[0]:
        found.append(f"it is for {machine}")
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", data, offset + size * index) for index in range(count)]
    libraries = needed(data, headers)
    if target.endswith("-musl"):
        if libraries or any(header[0] == INTERPRETER for header in headers):
            found.append("it is not static")
        return found
    found += [f"it needs {name.decode()}" for name in libraries if not LIBRARIES.fullmatch(name)]
    versions = {tuple(map(int, version.split(b"."))) for version in re.findall(rb"GLIBC_(\d+\.\d+)", data)}
    newer = [version for version in versions if version > NEWEST_GLIBC]
    if newer:
        found.append("it needs glibc {}.{}".format(*max(newer)))
    return found


def needed(data: bytes, headers: list[tuple]) -> list[bytes]:
    """The names of the libraries in the dynamic section."""
    entries = []
    for kind, _, offset, _, _, length, _, _ in headers:
        if kind == DYNAMIC:
            entries = [struct.unpack_from("<QQ", data, offset + at) for at in range(0, length, 16)]
    tables = [value for tag, value in entries if tag == STRTAB]
    if not tables:
        return []
    # The table's address in memory, as an offset in the file.
    start = next(tables[0] - address + offset for kind, _, offset, address, _, length, _, _ in headers
                 if kind == 1 and address <= tables[0] < address + length)
    names = [start + value for tag, value in entries if tag == NEEDED]
    return [data[name:data.index(b"\0", name)] for name in names]


if __name__ == "__main__":
    program, target = sys.argv[1:]
    with open(program, "rb") as file:
        wrong = problems(file.read(), target)
    for problem in wrong:
        print(f"{program}, for {target}: {problem}", file=sys.stderr)
    sys.exit(bool(wrong))
