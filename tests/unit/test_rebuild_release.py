"""Rebuilds of releases: the wheel and its provenance come from an index, a folder or a URL, and the tag names the commit."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.execution.files import hash_file
from everywheel.provenance.index_object import find_build_statement
from everywheel.provenance.statement import InvalidStatement
from everywheel.provenance.verify import find_statement
from example_provenance import COMMIT, NAME, PROJECT, commit, make_statement, write_wheel

NAMED = f"the provenance of {NAME}"
NO_LOCK = "has no lock of the build requirements"
ELSEWHERE = "`--provenance FILE|URL` names the statement, `--from DIR|URL` the files of the release"


class Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder; `simple/` has files named index.html with HTML or JSON."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL at which a server on loopback serves it."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, str]:
    """A repository of a project named demo without a lock, and its only commit: a rebuild ends after the checkout."""
    folder = tmp_path / "repository"
    shutil.copytree(PROJECT, folder)
    settings = folder / "ext" / "pyproject.toml"
    settings.write_text(settings.read_text().replace('name = "fixture"', 'name = "demo"'))
    return folder, commit(folder)


def make_object(*statements: Mapping[str, Any]) -> bytes:
    """Return a provenance object of an index (PEP 740) with statements."""
    attestations = [
        {
            "version": 1,
            "verification_material": {"certificate": "AAAA", "transparency_entries": [{}]},
            "envelope": {
                "statement": base64.b64encode(json.dumps(statement).encode()).decode(),
                "signature": "AAAA",
            },
        }
        for statement in statements
    ]
    bundles = [{"publisher": {"kind": "GitHub"}, "attestations": attestations}]
    return json.dumps({"version": 1, "attestation_bundles": bundles}).encode()


def publish(site: tuple[Path, str], head: str, *, as_json: bool, provenance: bytes | None = None) -> Path:
    """Write a wheel, its provenance object and the page of its project into the folder of an index; return the wheel."""
    folder, url = site
    wheel = write_wheel(folder / "files", {"demo.py": b"answer = 42\n"})
    publication = {
        **make_statement(wheel),
        "predicateType": "https://example.org/publish/v1",
        "predicate": {},
    }
    statement = make_statement(wheel, commit=head, root=".")
    (folder / "files" / "object").write_bytes(provenance or make_object(publication, statement))
    address, sha256 = f"{url}/files/{NAME}", hash_file(wheel)
    page = folder / "simple" / "demo" / "index.html"
    page.parent.mkdir(parents=True)
    if as_json:
        file = {"filename": NAME, "url": address, "hashes": {"sha256": sha256}, "provenance": f"{url}/files/object"}
        page.write_text(json.dumps({"meta": {"api-version": "1.3"}, "name": "demo", "files": [file]}))
    else:
        page.write_text(f'<a href="{address}#sha256={sha256}" data-provenance="/files/object">{NAME}</a>')
    return wheel


def tag(folder: Path, name: str) -> None:
    """Tag the last commit of a repository."""
    user = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *user, "tag", "--annotate", "--message", "release", name], cwd=folder, check=True)


def rebuild(monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str], repository: Path, *args: str) -> str:
    """Run the command with the index of a site, and return its error."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{site[1]}/simple")
    result = CliRunner().invoke(main, ["--project", str(repository), "rebuild", *args])
    assert result.exit_code in (2, 4), result.output
    return result.output


@pytest.mark.parametrize("as_json", [False, True])
def test_a_wheel_of_an_index_is_rebuilt_with_the_provenance_of_the_index(
    site: tuple[Path, str], repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    folder, head = repository
    publish(site, head, as_json=as_json)

    assert rebuild(monkeypatch, site, folder, "Demo==1.0.0").startswith(f"error: the commit {head} {NO_LOCK}\n")
    assert rebuild(monkeypatch, site, folder, "demo==1.0", "--wheel", "*-win_amd64.whl").startswith(
        "error: no package index has such a wheel of demo 1.0\n"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:-4], "it is not a provenance object of an index (PEP 740): Expecting ',' delimiter"),
        (lambda text: text.replace(b'"version": 1', b'"version": 2'), "its version is not 1"),
        (lambda text: b"[" * 100_000, "it is not a provenance object of an index (PEP 740): "),
        (lambda text: b'{"version": 1}', "it is not a provenance object of an index (PEP 740): 'attestation_bundles'"),
        (lambda text: make_object(), "none of its 0 attestations is provenance by everywheel"),
        (
            lambda text: make_object({"predicateType": "https://example.org/publish/v1"}),
            "none of its 1 attestations is provenance by everywheel",
        ),
    ],
)
def test_a_provenance_object_without_a_build_is_refused(
    change: Callable[[bytes], bytes], reason: str, tmp_path: Path
) -> None:
    statement = make_statement(write_wheel(tmp_path, {}))
    content = make_object(statement)

    assert json.loads(find_build_statement(content)) == statement
    with pytest.raises(InvalidStatement) as refused:
        find_build_statement(change(content))
    assert reason in str(refused.value)


def test_wrong_provenance_of_an_index_is_an_error(
    site: tuple[Path, str], repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, head = repository
    wheel = publish(site, head, as_json=True, provenance=b"{}")
    error = rebuild(monkeypatch, site, folder, "demo==1.0")

    assert error == (
        f"error: {NAMED} on the index cannot be used\n  url: {site[1]}/files/object\n"
        f"  reason: it is not a provenance object of an index (PEP 740): its version is not 1\n  hint: {ELSEWHERE}\n"
    )

    (site[0] / "files" / "object").write_bytes(make_object(make_statement(wheel, sha256="b" * 64)))
    assert rebuild(monkeypatch, site, folder, "demo==1.0").startswith(f"error: {NAMED} is about another file\n")

    (site[0] / "files" / "object").unlink()
    assert rebuild(monkeypatch, site, folder, "demo==1.0").startswith(
        f"error: {NAME}.provenance cannot be downloaded\n"
    )


def test_an_index_without_provenance_needs_a_statement_from_elsewhere(
    site: tuple[Path, str], repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, head = repository
    wheel = publish(site, head, as_json=True)
    page = site[0] / "simple" / "demo" / "index.html"
    page.write_text(page.read_text().replace('"provenance"', '"other"'))
    (site[0] / "statement").write_text(json.dumps(make_statement(wheel, commit=head, root=".")))

    assert rebuild(monkeypatch, site, folder, "demo==1.0") == (
        f"error: the index has no provenance of {NAME}\n  url: {site[1]}/files/{NAME}\n  hint: {ELSEWHERE}\n"
    )
    for statement in (f"{site[1]}/statement", str(site[0] / "statement")):
        error = rebuild(monkeypatch, site, folder, "demo==1.0", "--provenance", statement)
        assert error.startswith(f"error: the commit {head} {NO_LOCK}\n")


def test_a_release_is_a_folder_or_a_url_with_hashes(
    site: tuple[Path, str], repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, head = repository
    files, url = site[0] / "files", f"{site[1]}/files/"
    wheel = publish(site, head, as_json=True)

    def run(location: object) -> str:
        return rebuild(monkeypatch, site, folder, "demo==1.0", "--from", str(location))

    assert run(url).startswith("error: SHA256SUMS cannot be downloaded\n")
    assert run(files) == (
        f"error: the release has no provenance of {NAME}\n  missing: {find_statement(wheel)}\n  hint: {ELSEWHERE}\n"
    )
    find_statement(wheel).write_text(json.dumps(make_statement(wheel, commit=head, root=".")))
    (files / "SHA256SUMS").write_text(f"{hash_file(wheel)}  dist/{NAME}\n{'0' * 64}  demo-2.0.tar.gz\n")
    for location in (url, files):
        assert run(location).startswith(f"error: the commit {head} {NO_LOCK}\n")
    (files / "SHA256SUMS").write_text(f"{'0' * 64}  {NAME}\n")
    assert run(url).startswith(f"error: {NAME} differs from the file that its index describes\n")
    (files / "SHA256SUMS").write_text(f"{'0' * 64}  other-1.0-py3-none-any.whl\n")
    assert run(url) == (
        f"error: the release has no such wheel of demo 1.0\n  from: {url}\n"
        "  hint: `--wheel GLOB` matches the name of one of the wheels\n"
    )
    assert run(files / "absent") == (
        f"error: {files / 'absent'}: no such folder\n  hint: `--from` is a folder or a URL with the files of a release\n"
    )


def test_the_tag_of_a_release_must_be_the_commit_of_the_provenance(
    site: tuple[Path, str], repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, head = repository
    wheel = publish(site, head, as_json=False)
    assert rebuild(monkeypatch, site, folder, "v1.0") == (
        f"error: the repository has no tag v1.0\n  repository: {folder}\n"
        "  hint: `git fetch --tags` may get it; `--repository` names another repository\n"
    )

    tag(folder, "v1.0")
    assert rebuild(monkeypatch, site, folder, "v1.0").startswith(f"error: the commit {head} {NO_LOCK}\n")

    (site[0] / "files" / "object").write_bytes(make_object(make_statement(wheel, commit=COMMIT)))
    assert rebuild(monkeypatch, site, folder, "v1.0") == (
        f"error: {NAMED} names another commit than the tag v1.0\n  tag: {head}\n  provenance: {COMMIT}\n"
        f"  repository: {folder}\n  hint: the tag was moved, or the wheel was not built from it: find out which before you "
        "use the wheel\n"
    )


def test_options_for_a_release_need_one(repository: tuple[Path, str], tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "dist", {})
    result = CliRunner().invoke(main, ["--project", str(repository[0]), "rebuild", str(wheel), "--from", "dist"])

    assert (result.exit_code, result.output) == (
        2,
        f"error: --from is for a release, but {wheel} names none\n  hint: name it as NAME==VERSION, or by its tag: v1.2.0\n",
    )
