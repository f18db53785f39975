"""The emulator's memory: documents, the index of blobs, metrics: one SQLite file that several processes share."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Document = dict[str, Any]


@dataclass
class Past:
    """Everything as it once was: a copy in memory, for one reader at a time."""

    connection: sqlite3.Connection
    lock: threading.Lock = field(default_factory=threading.Lock)


_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, rank INTEGER NOT NULL,
    PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS blobs (
    container TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (container, name));
CREATE TABLE IF NOT EXISTS metrics (
    run TEXT NOT NULL, key TEXT NOT NULL, value REAL NOT NULL, step INTEGER NOT NULL, timestamp INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS metrics_by_run ON metrics (run, key);
CREATE TABLE IF NOT EXISTS labels (
    run TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run, kind, key));
"""


class Store:
    """State under one folder: `state.db` and, beside it, the files that it speaks of.

    Every process and thread opens a connection of its own; SQLite's write-ahead log keeps them apart, and what was
    committed survives a kill -9. Keys are compared without letter case, as Azure compares names.

    Args:
        folder: made if absent.
        lasting: whether it is to survive a power cut; without, nothing waits for the disk.
    """

    def __init__(self, folder: Path, *, lasting: bool = True) -> None:
        self.folder = folder
        self._synchronous = "NORMAL" if lasting else "OFF"  # NORMAL: a power cut may cost the last write
        folder.mkdir(parents=True, exist_ok=True)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        with self.connection() as connection:
            connection.executescript(_SCHEMA)

    def connection(self) -> sqlite3.Connection:
        """Returns this thread's connection; `with` commits or rolls back."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # closed by close(), from whichever thread ends the emulator
            connection = sqlite3.connect(self.folder / "state.db", timeout=30, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={self._synchronous}")  # both survive a killed process
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Holds the write lock from the first read on, so that read-change-write is one step."""
        connection = self.connection()
        if connection.in_transaction:  # already inside one
            yield connection
            return
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection

    def copied(self) -> Past:
        """Returns everything as it is now; files are not copied."""
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        self.connection().backup(copy)
        self._connections.append(copy)
        return Past(copy)

    @contextlib.contextmanager
    def seeing(self, past: Past) -> Iterator[None]:
        """Has this thread see the past; what it writes meanwhile is not kept."""
        present = self.connection()
        with past.lock:
            self._local.connection, self._local.past = past.connection, past
            try:
                yield
            finally:
                self._local.connection, self._local.past = present, None

    @property
    def shows_past(self) -> bool:
        """Whether this thread sees the past: then nothing may be moved on."""
        return getattr(self._local, "past", None) is not None

    def close(self) -> None:
        """Closes the connections of all threads."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._local = threading.local()

    # Documents

    def get(self, kind: str, key: str) -> Document | None:
        """Returns a document, or None."""
        row = (
            self.connection()
            .execute("SELECT body FROM documents WHERE kind = ? AND key = ?", (kind, key.lower()))
            .fetchone()
        )
        return json.loads(row[0]) if row else None

    def put(self, kind: str, key: str, document: Document) -> Document:
        """Writes a document; a new one ranks after all others."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO documents VALUES (?, ?, ?, (SELECT COALESCE(MAX(rank), 0) + 1 FROM documents))"
                " ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                (kind, key.lower(), json.dumps(document)),
            )
        return document

    def change(self, kind: str, key: str, change: Callable[[Document], None]) -> Document | None:
        """Reads, changes and writes a document in one step; None if it does not exist."""
        with self.transaction():
            document = self.get(kind, key)
            if document is None:
                return None
            change(document)
            return self.put(kind, key, document)

    def delete(self, kind: str, key: str) -> bool:
        """Removes a document; says whether there was one."""
        with self.transaction() as connection:
            done = connection.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key.lower()))
            return done.rowcount > 0

    def find(self, kind: str, prefix: str = "") -> list[Document]:
        """Returns the documents whose key begins so, newest first."""
        rows = self.connection().execute(
            "SELECT body FROM documents WHERE kind = ? AND substr(key, 1, ?) = ? ORDER BY rank DESC",
            (kind, len(prefix), prefix.lower()),
        )
        return [json.loads(body) for (body,) in rows]

    def scopes(self, kind: str) -> list[str]:
        """Returns the keys of all documents of a kind."""
        return [key for (key,) in self.connection().execute("SELECT key FROM documents WHERE kind = ?", (kind,))]

    # Metrics, parameters and tags of runs

    def add_metrics(self, run: str, points: list[tuple[str, float, int, int]]) -> None:
        """Adds (key, value, step, milliseconds since 1970) to a run."""
        with self.transaction() as connection:
            connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", [(run, *point) for point in points])

    def metrics(self, run: str, key: str | None = None) -> list[Document]:
        """Returns a run's points in the order in which they were logged."""
        query = "SELECT key, value, step, timestamp FROM metrics WHERE run = ?"
        rows = self.connection().execute(
            query + (" AND key = ?" if key else "") + " ORDER BY rowid", (run, key) if key else (run,)
        )
        return [{"key": k, "value": v, "step": s, "timestamp": t} for k, v, s, t in rows]

    def last_metrics(self, run: str) -> dict[str, Document]:
        """Returns the point of each of a run's metrics that was logged last."""
        rows = self.connection().execute(
            "SELECT key, value, step, timestamp FROM metrics"
            " WHERE rowid IN (SELECT MAX(rowid) FROM metrics WHERE run = ? GROUP BY key)",
            (run,),
        )
        return {k: {"key": k, "value": v, "step": s, "timestamp": t} for k, v, s, t in rows}

    def set_labels(self, run: str, kind: str, values: dict[str, str]) -> None:
        """Sets parameters (kind "param") or tags (kind "tag") of a run."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?)", [(run, kind, k, str(v)) for k, v in values.items()]
            )

    def labels(self, run: str, kind: str) -> dict[str, str]:
        """Returns the parameters or the tags of a run."""
        rows = self.connection().execute("SELECT key, value FROM labels WHERE run = ? AND kind = ?", (run, kind))
        return dict(rows.fetchall())

    def remove_label(self, run: str, kind: str, key: str) -> None:
        """Removes one parameter or tag of a run."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM labels WHERE run = ? AND kind = ? AND key = ?", (run, kind, key))
