"""Assemblies are fetched by name and are what their server lists."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from curricula import InputError
from tests.web import Site, serving
from trainers import downloads
from trainers.genome import assemblies

CONTENT = {"hg38": bytes(range(256)) * 2000, "GRCh38.p13": bytes(range(255)) * 2000}
FOLDERS = {
    "hg38": "/goldenPath/hg38/bigZips",
    "GRCh38.p13": "/genomes/all/GCF/000/001/405/GCF_000001405.39_GRCh38.p13",
}
FILES = {"hg38": "hg38.2bit", "GRCh38.p13": "GCF_000001405.39_GRCh38.p13_genomic.fna.gz"}
LISTS = {
    "hg38": (f"{FOLDERS['hg38']}/md5sum.txt", "{md5}  hg38.2bit\n"),
    "GRCh38.p13": (f"{FOLDERS['GRCh38.p13']}/md5checksums.txt", "{md5}  ./" + FILES["GRCh38.p13"] + "\n"),
}
NAMES = pytest.mark.parametrize("name", ["hg38", "GRCh38.p13"])


def list_of(name: str, content: bytes) -> bytes:
    line = LISTS[name][1].format(md5=hashlib.md5(content, usedforsecurity=False).hexdigest())
    return f"{'0' * 32}  ./README.txt\n{line}{'1' * 32}  {FILES[name]}.old\n".encode()


@pytest.fixture
def site() -> Iterator[Site]:
    files = {f"{FOLDERS[name]}/{FILES[name]}": content for name, content in CONTENT.items()}
    with serving(files | {LISTS[name][0]: list_of(name, content) for name, content in CONTENT.items()}) as started:
        yield started


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(downloads, "BACKOFF_SECONDS", 0.01)


@NAMES
def test_an_assembly_comes_whole_from_where_it_is_published(site, tmp_path, name):
    seen = []
    path = assemblies.fetch(name, tmp_path, site.url(""), on_progress=lambda done, of: seen.append((done, of)))
    assert path == tmp_path / FILES[name]
    assert path.read_bytes() == CONTENT[name]
    assert seen[-1] == (len(CONTENT[name]), len(CONTENT[name]))
    assert [entry[0] for entry in site.log] == [LISTS[name][0], f"{FOLDERS[name]}/{FILES[name]}"]


@NAMES
def test_an_assembly_that_is_complete_needs_no_network(site, tmp_path, name):
    assemblies.fetch(name, tmp_path, site.url("/"))
    site.log.clear()
    assemblies.fetch(name, tmp_path, site.url("/"))
    assemblies.fetch(name, tmp_path)
    assert site.log == []


def test_a_file_that_was_brought_by_hand_is_verified(site, tmp_path):
    (tmp_path / "hg38.2bit").write_bytes(CONTENT["hg38"])
    assemblies.fetch("hg38", tmp_path, site.url(""))
    assert [entry[0] for entry in site.log] == [LISTS["hg38"][0]]
    (tmp_path / "hg38.2bit").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"hg38\.2bit must have the md5 .* remove it to fetch"):
        assemblies.fetch("hg38", tmp_path, site.url(""))


def test_a_server_that_lists_another_md5_is_refused(site, tmp_path):
    site.files[LISTS["hg38"][0]] = list_of("hg38", b"another")
    with pytest.raises(InputError, match=r"must have the md5 .*, but what came has not"):
        assemblies.fetch("hg38", tmp_path, site.url(""))
    assert not (tmp_path / "hg38.2bit").exists()
    site.files[LISTS["hg38"][0]] = list_of("hg38", CONTENT["hg38"])  # the list is asked for again, too
    assert assemblies.fetch("hg38", tmp_path, site.url("")).read_bytes() == CONTENT["hg38"]


def test_a_server_that_does_not_list_the_file_is_refused(site, tmp_path):
    site.files[LISTS["hg38"][0]] = b"d41d8cd98f00b204e9800998ecf8427e  hg38.fa.gz\n"
    with pytest.raises(InputError, match=r"a line `MD5  hg38\.2bit`, but http://.*/md5sum\.txt has none"):
        assemblies.fetch("hg38", tmp_path, site.url(""))
    assert list(tmp_path.iterdir()) == []


def test_a_cut_download_goes_on(site, tmp_path):
    site.cuts, site.stop_after = 2, 200_000
    assert assemblies.fetch("hg38", tmp_path, site.url("")).read_bytes() == CONTENT["hg38"]


def test_without_a_network_both_files_are_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        mirror = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(InputError, match=r"curl .*/md5sum\.txt \(FILE is .*hg38\.2bit\.md5\)") as raised:
        assemblies.fetch("hg38", tmp_path, mirror)
    assert "\n" not in str(raised.value)


def test_an_unknown_name_has_a_nearest_one(tmp_path):
    with pytest.raises(InputError, match=r"it is `hg83` \(did you mean `hg38`\?\)"):
        assemblies.fetch("hg83", tmp_path)
    with pytest.raises(InputError, match=r"known: GRCh38\.p13, hg38"):
        assemblies.named("mouse")


@pytest.mark.parametrize("mirror", ["mirror.example", "ftp://mirror.example", "https://"])
def test_a_mirror_must_be_a_server(tmp_path, mirror):
    with pytest.raises(InputError, match=f"a mirror must be .* but it is `{mirror}`"):
        assemblies.fetch("hg38", tmp_path, mirror)


@NAMES
def test_an_assembly_describes_its_origin(name):
    described = assemblies.named(name).describe()
    assert described["assembly"] == name
    assert described["url"].startswith("https://")
    assert described["url"].endswith(f"{FOLDERS[name]}/{FILES[name]}")
    assert "GRCh38" in described["source"]


def test_the_folder_may_be_new(site, tmp_path):
    assert assemblies.fetch("hg38", tmp_path / "a" / "b", site.url("")) == Path(tmp_path, "a", "b", "hg38.2bit")
