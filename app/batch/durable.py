"""Making written files survive a loss of power: file contents first, then the folder that names them."""

from __future__ import annotations

import os
from pathlib import Path


def sync_tree(folder: Path) -> None:
    """Flush every file below a folder, and the folders, to the disk.

    Raises
    ------
    OSError
        The disk refuses; what was written must then be taken as lost.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        sync_folder(path)


def sync_files(paths: list[Path]) -> None:
    """Flush files and the folders that name them to the disk."""
    for path in paths:
        _sync(path)
    for folder in {p.parent for p in paths}:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    if os.name == "posix":  # elsewhere folders cannot be opened
        _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
