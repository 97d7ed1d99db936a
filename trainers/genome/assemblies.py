"""Assemblies of genomes by name: where they are, and the MD5 that their server lists."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from curricula import InputError
from curricula.errors import nearest
from trainers import downloads
from trainers.files import written


@dataclass(frozen=True)
class Assembly:
    """A genome in one file of a public server.

    Attributes:
        name: What users call it.
        url: The file.
        sums: The name of the list in the same folder, in md5sum's format.
        source: Who published it, in words for a card of provenance.
    """

    name: str
    url: str
    sums: str
    source: str

    @property
    def file(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]

    def describe(self) -> dict[str, str]:
        """Return name, URL and source, for a card of provenance."""
        return {"assembly": self.name, "url": self.url, "source": self.source}


_HG38 = "https://hgdownload.soe.ucsc.edu/goldenPath/hg38/bigZips"
_P13 = "https://ftp.ncbi.nlm.nih.gov/genomes/all/GCF/000/001/405/GCF_000001405.39_GRCh38.p13"

ASSEMBLIES = {
    assembly.name: assembly
    for assembly in (
        Assembly(
            "hg38",
            f"{_HG38}/hg38.2bit",
            "md5sum.txt",
            "UCSC Genome Browser, human assembly hg38 (GRCh38 with the names of UCSC; lower case is repeat-masked)",
        ),
        Assembly(
            "GRCh38.p13",
            f"{_P13}/GCF_000001405.39_GRCh38.p13_genomic.fna.gz",
            "md5checksums.txt",
            "NCBI RefSeq GCF_000001405.39, human assembly GRCh38 with patch release 13 (names of RefSeq)",
        ),
    )
}


def named(name: str) -> Assembly:
    """Return an assembly by its name.

    Raises:
        InputError: there is none of this name; the message has the nearest.
    """
    if name not in ASSEMBLIES:
        raise InputError(f"an assembly must be a known one, but it is `{name}`{nearest(name, ASSEMBLIES)}")
    return ASSEMBLIES[name]


def fetch(name: str, folder: Path, mirror: str | None = None, on_progress: downloads.OnProgress | None = None) -> Path:
    """Download an assembly to a folder, verify the MD5 that its server lists, and return the file.

    The list is kept beside it as `FILE.md5`, so a file that is complete is verified without a network. Where there
    is none, both may be fetched by hand.

    Args:
        name: One of `ASSEMBLIES`.
        folder: Where the file goes, under its own name.
        mirror: `https://HOST` or `https://HOST/FOLDER` with the same layout below it, in place of the server.
        on_progress: Called with (bytes so far, bytes in all or None if the server does not say).

    Raises:
        InputError: the name is unknown, the server is away or does not list the file, or the MD5 differs.
    """
    assembly = named(name)
    url = assembly.url if mirror is None else _mirrored(assembly.url, mirror)
    path, sums = folder / assembly.file, folder / f"{assembly.file}.md5"
    if not (path.exists() and sums.exists()):
        listing = f"{url.rpartition('/')[0]}/{assembly.sums}"
        try:
            content = downloads.text(listing)
        except InputError as error:
            raise InputError(f"{error} (FILE is {sums})") from error
        _listed(content, assembly.file, listing)
        written(sums, content)
    md5 = _listed(sums.read_text(errors="replace"), assembly.file, str(sums))
    return downloads.fetch(url, path, checksum=("md5", md5), on_progress=on_progress)


def _mirrored(url: str, mirror: str) -> str:
    parts = urlsplit(mirror)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"a mirror must be http:// or https:// and a host, but it is `{mirror}`")
    return mirror.rstrip("/") + urlsplit(url).path


def _listed(content: str, file: str, where: str) -> str:
    """Return the MD5 of a file in a list whose lines are `MD5  NAME` or `MD5  ./NAME`."""
    for line in content.splitlines():
        match = re.fullmatch(r"([0-9a-fA-F]{32}) [ *](?:\./)?(.+)", line.strip())
        if match and match[2] == file:
            return match[1].lower()
    raise InputError(
        f"a list of checksums must have a line `MD5  {file}`, but {where} has none; remove it or use another"
    )
