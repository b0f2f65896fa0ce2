"""Validates every XML frame of a folder against a schema.

    python validate_xsd.py proto/futures/v1/futures.xsd proto/futures/vectors

A frame is eight decimal digits and that many bytes of XML. Exits 1 if any frame is not valid, if its
length is wrong, or if the folder holds no frame. Needs PyPI `xmlschema`.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

import xmlschema

DECLARATION = re.compile(r'^<\?xml version="1\.0" encoding="([A-Za-z0-9-]+)"\?>')


def document(frame: bytes) -> ElementTree.Element:
    """The packet in a frame. Python decodes it, for expat does not know GB18030."""
    prefix, body = frame[:8], frame[8:]
    if not re.fullmatch(rb"[0-9]{8}", prefix):
        raise ValueError("the length is not eight digits")
    if int(prefix) != len(body):
        raise ValueError(f"the length says {int(prefix)}, the body has {len(body)} bytes")
    declaration = DECLARATION.match(body[:60].decode("ascii", "replace"))
    if declaration is None:
        raise ValueError("no XML declaration with an encoding")
    text = body.decode(declaration.group(1), "strict")
    return ElementTree.fromstring(DECLARATION.sub("", text, count=1))


def main(schema_path: str, folder: str) -> int:
    schema = xmlschema.XMLSchema10(schema_path)
    paths = sorted(pathlib.Path(folder).glob("*.xml-frame"))
    if not paths:
        print(f"{folder}: no *.xml-frame files", file=sys.stderr)
        return 1
    failures = 0
    for path in paths:
        try:
            errors = [
                f"{error.path}: {error.reason}" for error in schema.iter_errors(document(path.read_bytes()))
            ]
        except (ValueError, LookupError, ElementTree.ParseError) as error:
            errors = [str(error)]
        for error in errors:
            print(f"{path}: {error}", file=sys.stderr)
        failures += bool(errors)
    print(f"{len(paths) - failures} of {len(paths)} frames are valid")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
