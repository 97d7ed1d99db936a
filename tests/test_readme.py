"""What the README shows works as it stands there."""

import importlib.util
import re
from pathlib import Path

import yaml

from curricula import Masking, Progress, registry, space_of
from study.spec.files import parse
from tests.studies import ROOT

README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found.group(1)


def test_the_curriculum_example_is_a_curriculum(tmp_path: Path) -> None:
    path = tmp_path / "growing_span.py"
    path.write_text(block("python"))
    found = importlib.util.spec_from_file_location("curricula.growing_span", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    try:
        found.loader.exec_module(module)
        curriculum = module.GrowingSpan()
        registry.rehearse("growing_span", curriculum)
        spans = [curriculum(Progress(step, 10)).span for step in range(11)]
        assert spans == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
        assert isinstance(curriculum(Progress(0, 1)), Masking)
        assert set(space_of(module.GrowingSpan)) == {"longest", "rate"}
    finally:
        registry._registered.pop("curricula.growing_span", None)


def test_the_spec_example_is_a_spec() -> None:
    spec = parse({"name": "my_study", **yaml.safe_load(block("yaml"))}, "README")
    assert set(spec.curricula) == {"constant", "linear", "pmi_threshold", "placebo_pmi_threshold", "wide"}


def test_every_path_of_the_tree_exists() -> None:
    tree = README.rpartition("## Where things are")[2].split("```")[1]
    folders = [ROOT]  # one for each level of the tree
    for line in tree.strip().splitlines():
        level = (len(line) - len(line.lstrip())) // 2
        names = re.findall(r"(?<![\w.])(\.?[a-z_]+(?:\.py|\.yaml|/))", line)
        del folders[level + 1 :]
        for name in names:
            assert (folders[level] / name).exists(), f"{folders[level].name}/{name}"
        folders.append(folders[level] / names[0])


def test_its_picture_is_there() -> None:
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).stat().st_size > 10_000
