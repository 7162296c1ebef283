"""Writes the Lambda layer: this library alone, as Lambda's Python runtimes bring the SDK.

python -m examples.infrastructure.layer    writes dist/cxone_idem-layer.zip
"""

from __future__ import annotations

import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LAYER = ROOT / "dist" / "cxone_idem-layer.zip"

# A layer's `python` folder is on the path of every Python runtime.
_FOLDER = "python"
# The earliest that a zip can name: the same files are the same layer, whenever it is made.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE = 0o100644 << 16


def write(layer: Path = LAYER) -> Path:
    """Write the layer and return where it is."""
    layer.parent.mkdir(parents=True, exist_ok=True)
    files = [path for path in (ROOT / "cxone_idem").rglob("*") if path.suffix in {".py", ".typed"}]
    with zipfile.ZipFile(layer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            _add(archive, path, f"{_FOLDER}/{path.relative_to(ROOT).as_posix()}")
        _add(archive, ROOT / "LICENSE", f"{_FOLDER}/cxone_idem/LICENSE")
    return layer


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = _READABLE_FILE
    archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    written = write()
    print(f"{written.relative_to(ROOT)}: {written.stat().st_size:,} bytes")
