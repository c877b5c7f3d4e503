"""Prints the files of PngSuite that the source of pypng contains, one a line: name, width, height, the file, and its pixels as
pypng reads them, RGBA of 16 bits in big endian; both in hexadecimal digits. Takes the folder that holds the archive."""

import glob
import importlib
import sys
import tarfile
import tempfile

archive = glob.glob(sys.argv[1] + "/pypng-*.tar.gz")[0]
with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as source:
    source.extractall(folder, filter="data")
    sys.path.insert(0, glob.glob(folder + "/pypng-*/code")[0])
    png, suite = importlib.import_module("png"), importlib.import_module("pngsuite")
    for name, file in sorted(suite.png.items()):
        reader = png.Reader(bytes=file)
        reader.preamble()
        # How many bits were significant before the file was written changes nothing in what is shown.
        reader.sbit = None
        width, height, rows, info = reader.asRGBA()
        most = (1 << info["bitdepth"]) - 1
        samples = b"".join((sample * 65535 // most).to_bytes(2, "big") for row in rows for sample in row)
        print(name, width, height, file.hex(), samples.hex())
