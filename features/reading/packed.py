"""Files inside gzip and ZIP containers: inflated with a count, under names of our own making.

A container's directory can lie about sizes, so bytes are counted while they are inflated. The names inside
are only ever shown: nothing is written under them, so ``../`` or an absolute path leads nowhere.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from features.errors import UnreadableFileError
from features.message import say

MAX_ZIP_ENTRIES = 10_000
MAX_INFLATED = 4 * 2**30
MAX_RATIO = 100
RATIO_MATTERS_FROM = 32 * 2**20
"""Below this inflated size [B] a high ratio is harmless (short sheets of equal cells reach it)."""
FREE_SHARE = 0.05
"""Share of the disk that stays free."""
_PIECE = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)


@dataclass(frozen=True)
class Member:
    """One file of a container, inflated to ``path``.

    ``name`` is the container's name and the member's last name; ``shown`` is its place for messages;
    ``refused`` says why the member was not inflated, ``""`` where it was.
    """

    path: Path
    name: str
    shown: str
    refused: str = ""


def unpacked(path: Path, name: str, scratch: Path) -> list[Member]:
    """Inflate a ``.gz`` or ``.zip`` file.

    Parameters
    ----------
    path : pathlib.Path
    name : str
        As the user knows it.
    scratch : pathlib.Path
        Folder that takes the inflated files.

    Raises
    ------
    UnreadableFileError
        ``E-FILE-BOMB``, ``E-FILE-DAMAGED``, ``E-FILE-PASSWORD`` or ``E-SPACE``.
    """
    where = str(path)
    budget = _Budget(path.stat().st_size, where, scratch)
    try:
        if path.suffix.lower() == ".gz":
            return [_gunzipped(path, name, budget)]
        return list(_unzipped(path, name, budget))
    except UnreadableFileError:
        raise
    except RuntimeError:  # zipfile's way to ask for a password
        raise UnreadableFileError(
            "E-FILE-PASSWORD",
            say("the archive is protected by a password"),
            where,
            say("pack it without one"),
        ) from None
    except _DAMAGED as error:
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the archive is damaged: {error}", error=error),
            where,
            say("copy or export it again"),
        ) from None


class _Budget:
    """Bytes that one container may still inflate to."""

    def __init__(self, size: int, where: str, scratch: Path) -> None:
        self.size, self.where, self.scratch = size, where, scratch
        self.spent, self.files = 0, 0

    def path(self, suffix: str) -> Path:
        """Return a new place whose name owes nothing to the container."""
        self.files += 1
        return self.scratch / f"{len(list(self.scratch.iterdir())):06d}{suffix}"

    def copy(self, source: IO[bytes], target: Path) -> None:
        """Inflate into a file, piece by piece."""
        with target.open("wb") as sink:
            while piece := source.read(_PIECE):
                self.spent += len(piece)
                self._check()
                sink.write(piece)

    def _check(self) -> None:
        if self.spent > MAX_INFLATED or (
            self.spent > RATIO_MATTERS_FROM and self.spent > MAX_RATIO * self.size
        ):
            raise bomb(
                self.where,
                say("{size:,} bytes inflate to more than {spent:,}", size=self.size, spent=self.spent),
            )
        disk = shutil.disk_usage(self.scratch)
        if disk.free < FREE_SHARE * disk.total:
            raise UnreadableFileError(
                "E-SPACE",
                say("the disk has no room for what the archive holds"),
                self.where,
                say("make room, or give the files unpacked"),
            )


def _gunzipped(path: Path, name: str, budget: _Budget) -> Member:
    inner = PurePosixPath(path.name[:-3]).suffix.lower()
    target = budget.path(inner)
    with gzip.open(path, "rb") as source:
        budget.copy(source, target)  # type: ignore[arg-type]
    return Member(target, name, str(path))


def _unzipped(path: Path, name: str, budget: _Budget) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_ZIP_ENTRIES:
            raise bomb(budget.where, say("{count:,} entries", count=len(entries)))
        for entry in sorted(entries, key=lambda e: e.filename):
            last = PurePosixPath(entry.filename.replace("\\", "/")).name
            if entry.is_dir() or not last or last.startswith(".") or "__MACOSX" in entry.filename:
                continue
            known = f"{name}/{last}"
            shown = f"{budget.where}/{entry.filename}"
            inner = PurePosixPath(last).suffix.lower()
            refused = _refusal(entry, inner)
            target = budget.path(inner)
            if refused:
                yield Member(target, known, shown, refused)
                continue
            with archive.open(entry) as source:
                if inner == ".gz":
                    with gzip.open(source, "rb") as within:
                        budget.copy(within, target)  # type: ignore[arg-type]
                else:
                    budget.copy(source, target)
            yield Member(target, known, shown)


def _refusal(entry: zipfile.ZipInfo, suffix: str) -> str:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return say("it is a link, and links inside archives are not followed")
    if suffix == ".zip":
        return say("an archive inside an archive is not opened")
    return ""


def bomb(where: str, evidence: str) -> UnreadableFileError:
    """Return the refusal of a file that inflates beyond reason."""
    return UnreadableFileError(
        "E-FILE-BOMB",
        say("the file inflates beyond reason: {evidence}", evidence=evidence),
        where,
        say("export the data as plain CSV or Parquet, or in shorter periods"),
    )
