"""Finished chunks of a run that is not complete yet: what a killed run leaves for the next one.

A chunk is kept under its key, which names everything that it depends on. It appears as a whole or not at
all, so whatever stands under a key may be used by any later run that comes to the same key.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from app.batch.durable import sync_folder, sync_tree
from app.batch.tables import STAGED, Tables, chunk_schema
from models.store import sha256

FOLDER = "_staging"
_PART = ".part"
_SUMS = "sha256.json"


class Staging:
    """The folder of finished chunks inside a store.

    Parameters
    ----------
    root : pathlib.Path
        The store.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    def keep(self, key: str, tables: Tables) -> None:
        """Keep a finished chunk, whole or not at all.

        Raises
        ------
        OSError
            It cannot be written.
        """
        part = self.folder / (key + _PART)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        sums = {}
        for name, table in tables.items():
            file = part / f"{name}.parquet"
            pq.write_table(table, file, compression="zstd")
            sums[name] = sha256(file.read_bytes())
        (part / _SUMS).write_text(json.dumps(sums), encoding="utf-8")
        sync_tree(part)
        target = self.folder / key
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
        sync_folder(self.folder)

    def finished(self, keys: Iterable[str]) -> set[str]:
        """Return the keys whose chunks are there and whole; damaged ones are removed."""
        whole = set()
        for key in keys:
            if not (self.folder / key).is_dir():
                continue
            try:
                for name in STAGED:
                    self.table(key, name)
            except (OSError, ValueError, KeyError, pa.ArrowException):
                shutil.rmtree(self.folder / key)
            else:
                whole.add(key)
        return whole

    def table(self, key: str, name: str) -> pa.Table:
        """Return one table of a finished chunk.

        Raises
        ------
        OSError, ValueError, KeyError, pyarrow.ArrowException
            It is missing or damaged.
        """
        folder = self.folder / key
        data = (folder / f"{name}.parquet").read_bytes()
        if sha256(data) != json.loads((folder / _SUMS).read_text(encoding="utf-8"))[name]:
            raise ValueError(f"{key}/{name}: the file does not match its checksum")
        table = pq.read_table(pa.BufferReader(data))
        if not table.schema.equals(chunk_schema(name)):
            raise ValueError(f"{key}/{name}: another schema")
        return table

    def clear(self) -> None:
        """Remove every chunk: the run that they belong to is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)
