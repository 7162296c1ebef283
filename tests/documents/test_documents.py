"""The shape of README and its guides: how long they are, and where their links lead."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import pytest

from cxone_idem.record import Origin, Record, State
from cxone_idem.stores.dynamodb_item import Layout
from tests.support.documents import (
    ALL_TEXT,
    GUIDES,
    PROJECT,
    README,
    ROOT,
    headings,
    sections,
    without_code,
)

DOCUMENTS = {"README.md": README} | {
    f"examples/{name}/README.md": text for name, text in GUIDES.items()
}
NAMES = {
    "async",
    "command_line",
    "containers",
    "durable_dispatch",
    "eventbridge_direct",
    "infrastructure",
    "migration",
    "operations",
    "sqs_lambda",
    "stores",
    "testing",
    "transactions",
}


class Link(NamedTuple):
    document: str
    target: str


def _links(document: str) -> list[Link]:
    text = (DOCUMENTS | PROJECT)[document]
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(text))
    return [Link(document, target) for target in targets]


def _words(text: str) -> list[str]:
    return [word for word in text.split() if re.search(r"\w", word)]


def _anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)
    }


def _resolves(link: Link) -> bool:
    path, _, anchor = link.target.partition("#")
    document = ROOT / link.document
    target = (document.parent / path).resolve() if path else document
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in _anchors(target.read_text())


def test_readme_is_a_front_page() -> None:
    """At most 200 lines and 1,500 words."""
    assert len(README.splitlines()) <= 200
    assert len(_words(README)) <= 1500


def test_the_glossary_is_short() -> None:
    """At most 30 terms, each of them once."""
    terms = re.findall(r"^- \*\*(.+?)\*\*: ", sections()["Glossary"], re.MULTILINE)
    assert 1 <= len(set(terms)) == len(terms) <= 30


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_is_one_short_way(name: str) -> None:
    """Long enough to get there, short enough to read at once."""
    assert 50 <= len(GUIDES[name].splitlines()) <= 200


def test_readmes_table_links_every_guide() -> None:
    """All twelve, and nothing that is no guide."""
    linked = re.findall(r"\]\(examples/(\w+)/README\.md\)", sections()["Guides"])
    assert sorted(linked) == sorted(GUIDES) == sorted(NAMES)


@pytest.mark.parametrize(
    "link",
    [link for name in DOCUMENTS | PROJECT for link in _links(name) if "://" not in link.target],
    ids=" -> ".join,
)
def test_every_relative_link_resolves(link: Link) -> None:
    """The file is in this repository, and has the section."""
    assert _resolves(link)


@pytest.mark.parametrize("target", ["examples/none/README.md", "#nowhere", "../outside", "..#x"])
def test_a_dead_link_is_seen(target: str) -> None:
    """Control: the check can fail."""
    assert not _resolves(Link("README.md", target))


def test_every_heading_is_unique() -> None:
    """Tests look sections up by heading, across all documents."""
    counted = Counter(heading for text in DOCUMENTS.values() for heading in headings(text))
    assert not {heading for heading, times in counted.items() if times > 1}


PATH = re.compile(r"`((?:\.ci|cxone_idem|docs|examples|tests)/[\w./]+)`")


@pytest.mark.parametrize(
    "path", sorted(set(PATH.findall("\n".join([ALL_TEXT, *PROJECT.values()]))))
)
def test_every_file_that_is_named_exists(path: str) -> None:
    """What the text points at is there."""
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"`make ([a-z-]+)`", "\n".join(PROJECT.values()))))
)
def test_every_target_of_the_projects_pages_exists(target: str) -> None:
    """`make` knows it."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_contributing_is_short() -> None:
    """Under 100 lines, and read to the end."""
    assert len(PROJECT["CONTRIBUTING.md"].splitlines()) < 100


def test_the_changelog_keeps_its_form() -> None:
    """Newest first; each entry is under a version, and under one of six kinds of change."""
    versions = re.findall(r"^## (.+)$", PROJECT["CHANGELOG.md"], re.MULTILINE)
    assert versions
    for number, version in enumerate(versions):
        is_release = re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version)
        assert is_release or (version == "[Unreleased]" and number == 0), version
    kinds = set(re.findall(r"^### (.+)$", PROJECT["CHANGELOG.md"], re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_security_lists_what_is_stored() -> None:
    """Each attribute of an item, and no other."""
    stored = Layout().to_item(
        Record("k", State.DONE, "v", 1, 1, 1, 1, 1, Origin(event_id="e"), "f", "null")
    )
    listed = re.findall(r"^\| `(\w+)` \|", PROJECT["SECURITY.md"], re.MULTILINE)
    assert sorted(listed) == sorted(stored)
