"""The comparison of pictures with other programs fails for an unexplained difference and for an unneeded explanation."""

from __future__ import annotations

from pathlib import Path

import pytest
from archives import load_archives
from differences import Difference, Kind, Peer
from explanations import Verdict, judge, load_explanations

TABLE = """
[[explanations]]
reason = "palettes are read differently"
peer = "pillow"
kinds = ["pixels", "alpha"]
detail = "largest *"
at_most = 3
pictures = ["a/1.gif", "a/2.gif"]
"""
PEERS = frozenset(Peer)


def check(tmp_path: Path, *differences: Difference, **options: frozenset[str]) -> Verdict:
    (tmp_path / "table.toml").write_text(TABLE)
    return judge(differences, load_explanations(tmp_path / "table.toml"), **{"peers": PEERS, **options})


def differ(picture: str, amount: float = 2.0, kind: Kind = Kind.PIXELS, detail: str = "largest 2") -> Difference:
    return Difference(picture=picture, peer=Peer.PILLOW, kind=kind, detail=detail, amount=amount)


def test_explained_differences_pass(tmp_path: Path) -> None:
    verdict = check(tmp_path, differ("a/1.gif"), differ("a/2.gif", amount=3))

    assert (verdict.unexplained, verdict.unneeded) == ((), ())
    assert [explanation.reason for _, explanation in verdict.explained] == ["palettes are read differently"] * 2


@pytest.mark.parametrize(
    "new",
    [
        differ("a/3.gif"),
        differ("a/1.gif", amount=3.5),
        differ("a/1.gif", kind=Kind.FRAMES),
        differ("a/1.gif", detail="smallest 2"),
        Difference(picture="a/1.gif", peer=Peer.CHROMIUM, kind=Kind.PIXELS, detail="largest 2", amount=2.0),
    ],
    ids=["picture", "amount", "kind", "detail", "peer"],
)
def test_a_new_difference_has_no_explanation(tmp_path: Path, new: Difference) -> None:
    assert check(tmp_path, differ("a/1.gif"), differ("a/2.gif"), new).unexplained == (new,)


def test_an_explanation_without_a_difference_is_unneeded(tmp_path: Path) -> None:
    unneeded = ("pillow pixels/alpha a/2.gif: palettes are read differently",)

    assert check(tmp_path, differ("a/1.gif")).unneeded == unneeded
    assert check(tmp_path, differ("a/1.gif"), pictures=frozenset({"a/1.gif", "a/2.gif"})).unneeded == unneeded


def test_explanations_of_unchecked_pictures_and_programs_may_be_unneeded(tmp_path: Path) -> None:
    assert check(tmp_path, differ("a/1.gif"), pictures=frozenset({"a/1.gif"})).unneeded == ()
    assert check(tmp_path, peers=frozenset({Peer.CHROMIUM})).unneeded == ()


def test_the_lists_of_the_session_can_be_read() -> None:
    archives = load_archives()

    assert len({archive.name for archive in archives}) == len(archives)
    assert all(len(archive.sha256) == 64 for archive in archives)
    names = {pattern.partition("/")[0] for row in load_explanations() for pattern in row.pictures}
    assert names <= {archive.name for archive in archives}
