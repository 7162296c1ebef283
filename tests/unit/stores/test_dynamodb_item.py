"""Records of every version so far, as DynamoDB has them: each is read the same for ever.

A new version adds a file and its digest here. It never changes one that is here.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cxone_idem.record import Origin, Record, State
from cxone_idem.stores.dynamodb_item import ForeignItemError, Layout

DIGESTS = {
    "records_0_1.json": "14492b0f1ce80c83c4f624ad898a71ede6b518d4dcc2efee736fc54428f30168",
}
HOME = Path(__file__).parent
FROZEN: list[dict[str, Any]] = [
    {**entry, "name": f"{name}: {entry['name']}"}
    for name in DIGESTS
    for entry in json.loads((HOME / name).read_text(encoding="utf-8"))
]


def each(entries: list[dict[str, Any]]) -> pytest.MarkDecorator:
    """Return what runs a test for each entry, by its name."""
    return pytest.mark.parametrize("entry", entries, ids=[entry["name"] for entry in entries])


def record_of(entry: dict[str, Any]) -> Record:
    """Return the record that an entry was when it was written."""
    values = entry["record"]
    return Record(
        **{**values, "state": State(values["state"]), "origin": Origin(**values["origin"])}
    )


def test_the_files_are_as_they_were() -> None:
    """None is changed, and none is left out."""
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in HOME.glob("records_*.json")
    }
    assert found == DIGESTS


@each(FROZEN)
def test_an_item_of_any_version_is_read_as_ever(entry: dict[str, Any]) -> None:
    """Each state, origin and result, markers of others, and what is refused."""
    if entry["record"] is None:
        with pytest.raises(ForeignItemError):
            Layout().to_record(entry["item"])
    else:
        assert Layout().to_record(entry["item"]) == record_of(entry)


@each([entry for entry in FROZEN if entry["record"]])
def test_the_names_that_a_table_decides_change_nothing(entry: dict[str, Any]) -> None:
    """A table with another partition key and TTL attribute holds the same records."""
    renamed = {"id": "pk", "expires_at": "ttl"}
    item = {renamed.get(name, name): value for name, value in entry["item"].items()}
    assert Layout("pk", "ttl").to_record(item) == record_of(entry)


@each([entry for entry in FROZEN if entry["written"]])
def test_what_is_read_is_written_back(entry: dict[str, Any]) -> None:
    """A later version may write more, so that the version before still reads it, never less."""
    assert entry["item"].items() <= Layout().to_item(record_of(entry)).items()
