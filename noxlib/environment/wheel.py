"""noxlib as a wheel, assembled from its own files: no build backend, no network, the same bytes each time.

Works from a checkout and from an installed noxlib alike.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import zipfile
from pathlib import Path

import noxlib
from noxlib.files import write_whole

_LEFT_OUT = {"__pycache__"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold


@functools.cache
def content_hash() -> str:
    """Return a hash over the names and bytes of noxlib's files, and what its wheel says of itself."""
    digest = hashlib.sha256(f"{noxlib.__version__}\0{_METADATA}\0".encode())
    for name, data in _files().items():
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def plugin_wheel(store: Path) -> Path:
    """Return the wheel of the running noxlib, written once per content."""
    folder = store / "plugin" / content_hash()[:12]
    wheel = folder / f"noxlib-{noxlib.__version__}-py3-none-any.whl"
    if not wheel.exists():
        write_whole(wheel, assemble("noxlib", noxlib.__version__, _files(), _METADATA))
    return wheel


def assemble(name: str, version: str, files: dict[str, bytes], metadata: dict[str, str]) -> bytes:
    """Return a pure Python wheel: `files` as they are, `metadata` into its dist-info (PEP 427)."""
    info = f"{name}-{version}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    contents = dict(files)
    contents[f"{info}/METADATA"] = (head + metadata.get("METADATA", "")).encode()
    contents[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: noxlib\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if points := metadata.get("entry_points.txt"):
        contents[f"{info}/entry_points.txt"] = points.encode()
    record = "".join(f"{path},{_record_hash(data)},{len(data)}\n" for path, data in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return packed.getvalue()


_METADATA = {
    "METADATA": "Requires-Python: >=3.10\n",
    "entry_points.txt": "[pytest11]\nnoxlib = noxlib.pytest_plugin\n"
    "[hypothesis]\nnoxlib = noxlib.pytest_plugin.properties:load_profile\n",
}


@functools.cache
def _files() -> dict[str, bytes]:
    root = Path(noxlib.__file__).parent
    found = sorted(path for path in root.rglob("*") if path.is_file() and _belongs(path.relative_to(root)))
    return {f"noxlib/{path.relative_to(root).as_posix()}": path.read_bytes() for path in found}


def _belongs(path: Path) -> bool:
    return not any(part in _LEFT_OUT or part.startswith(".") for part in path.parts) and path.suffix != ".pyc"


def _record_hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
