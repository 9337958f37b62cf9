"""The folder of sites: what lies there, and the fingerprint of every site's files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import UnreadableFileError, UsageError
from features.message import say
from features.reading.files import FORM_BY_SUFFIX, readable, stem_of

SITE_FILE = "site.toml"
MAPPING_FILE = "mapping.toml"
MOST_ROWS = 5_000_000
"""A Parquet footer that claims more rows than this is refused before anything is decoded."""


@dataclass(frozen=True)
class SiteSource:
    """One site of the folder; picklable.

    Parameters
    ----------
    site_id : str
        Name of its folder, or of its file without extension.
    path : str
        Absolute path of that folder or file.
    digest : str
        SHA-256 over names and contents of its files.
    problem : str
        Why the files could not even be listed; "" otherwise.
    """

    site_id: str
    path: str
    digest: str
    problem: str = ""

    @property
    def site_file(self) -> Path | None:
        """The site's ``site.toml``, where there is one."""
        return self._beside(SITE_FILE)

    @property
    def mapping_file(self) -> Path | None:
        """The site's ``mapping.toml``, where there is one."""
        return self._beside(MAPPING_FILE)

    def _beside(self, name: str) -> Path | None:
        file = Path(self.path) / name
        return file if file.is_file() else None


def local_path(uri: str, argument: str) -> Path:
    """Return the local path that a URI or a plain path names.

    Raises
    ------
    UsageError
        Code E-URI: another scheme than ``file``.
    """
    parts = urlsplit(uri)
    if len(parts.scheme) > 1 and "://" in uri:  # one letter is a drive, not a scheme
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            raise UsageError(
                "E-URI",
                say(
                    "{scheme}:// is not supported: sites and store lie on a file system", scheme=parts.scheme
                ),
                argument,
                say("give a path or a file:// URI, for example that of a mounted bucket"),
            )
        return Path(unquote(parts.path))
    return Path(uri)


def list_sites(folder: Path) -> tuple[SiteSource, ...]:
    """Return every site of a folder, sorted by id, with the fingerprint of its files.

    A sub-folder is a site; so is a data file that lies in the folder itself. Hidden entries are
    left out. A site whose files cannot be read keeps its place and says so.

    Raises
    ------
    UsageError
        Code E-SITES-FOLDER: there is no such folder; E-SITES-EMPTY: it holds no site.
    """
    try:
        entries = sorted(folder.iterdir(), key=lambda p: os.fsencode(p.name))
    except OSError as error:
        raise UsageError(
            "E-SITES-FOLDER",
            say("the folder of sites cannot be read: {error}", error=error.strerror),
            str(folder),
            say("give a folder with one sub-folder, or one file, per site"),
        ) from None
    wanted = [e for e in entries if not e.name.startswith(".") and _is_site(e)]
    if not wanted:
        raise UsageError(
            "E-SITES-EMPTY",
            say("the folder holds no site"),
            str(folder),
            say("put each site into its own sub-folder"),
        )
    found: dict[str, SiteSource] = {}
    for entry in wanted:
        site_id = _text(entry.name if entry.is_dir() else stem_of(entry.name))
        if site_id in found:  # a folder and a file, or two files, of one name
            found[site_id] = SiteSource(
                site_id, found[site_id].path, found[site_id].digest, f"{_text(entry.name)} has the same id"
            )
            continue
        found[site_id] = _source(site_id, entry.resolve())
    return tuple(found[site_id] for site_id in sorted(found))


def fingerprint(path: Path) -> str:
    """Return the SHA-256 over names and contents of a site's files.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    digest = hashlib.sha256()
    files = sorted(path.iterdir(), key=lambda p: os.fsencode(p.name)) if path.is_dir() else [path]
    for file in files:
        digest.update(os.fsencode(file.name) + b"\0")
        if file.is_file():
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def check_parquet_rows(path: Path) -> None:
    """Refuse Parquet files that claim more rows than any site has.

    A few megabytes of Parquet can hold hundreds of millions of rows; decoding them would take the
    worker's memory before the reader could look at them.

    Raises
    ------
    UnreadableFileError
        Code E-SITE-ROWS.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        if FORM_BY_SUFFIX.get(file.suffix.lower()) != "parquet" or not file.is_file():
            continue
        try:
            rows = pq.read_metadata(file).num_rows
        except (pa.ArrowException, OSError, ValueError):
            continue  # the reader will say what is wrong with it
        if rows > MOST_ROWS:
            raise UnreadableFileError(
                "E-SITE-ROWS",
                say("the file claims {rows:,} rows, more than {most:,}", rows=rows, most=MOST_ROWS),
                str(file),
                say("export the last months only"),
            )


def _is_site(entry: Path) -> bool:
    return entry.is_dir() or (readable(entry.name) and entry.is_file())


def _source(site_id: str, path: Path) -> SiteSource:
    try:
        return SiteSource(site_id, str(path), fingerprint(path))
    except OSError as error:
        return SiteSource(site_id, str(path), "", f"its files cannot be read: {error}")


def _text(name: str) -> str:
    """Return a file name as text; bytes that are no UTF-8 are shown escaped."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")
