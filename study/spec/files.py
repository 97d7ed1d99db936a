"""Reads specs: named ones, YAML files, overrides from the command line; and explains every key."""

import argparse
import re
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from curricula import InputError
from curricula.errors import nearest
from study.spec.part import Part
from study.spec.search import RangeSpec
from study.spec.study import StudySpec

SPECS = Path(__file__).parent / "ready"
_OWN = ("name", "about")  # what a spec does not hand down


def named_specs() -> list[str]:
    """Return the names of the specs that come with the package."""
    return sorted(path.stem for path in SPECS.glob("*.yaml"))


def listed() -> str:
    """Return a line for each named spec: its name, and what it is about."""
    width = max(map(len, named_specs()))
    return "\n".join(f"{name:{width}}  {_read_yaml(SPECS / f'{name}.yaml')['about']}" for name in named_specs())


def add_spec_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a command take a spec, and overrides of its keys."""
    parser.add_argument(
        "spec",
        nargs="?",
        default="demo",
        help=f"a named spec ({', '.join(named_specs())}) or a YAML file, which may say `extends: NAME|FILE` and "
        "then only what differs (default: demo)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="replace one value of the spec, e.g. pretraining.batch=64 or evaluation.tasks.0.shots=10; null takes it "
        "away, e.g. curricula.linear=null; may be repeated (default: none)",
    )


def load(name_or_file: str, overrides: list[str]) -> StudySpec:
    """Read a spec by name or from a YAML file and apply `key=value` overrides.

    Raises:
        InputError: it does not exist or does not describe a study; the message is one line.
    """
    path = _path_of(name_or_file, Path())
    content = {"name": path.stem, **_derived(path, ())}
    for override in overrides:
        _apply(content, override)
    return parse(content, str(path))


def _path_of(name_or_file: str, folder: Path) -> Path:
    if Path(name_or_file).suffix:
        return folder / name_or_file
    if name_or_file not in named_specs():
        raise InputError(f"there is no spec `{name_or_file}`{nearest(name_or_file, named_specs())}")
    return SPECS / f"{name_or_file}.yaml"


def _derived(path: Path, heirs: tuple[Path, ...]) -> dict[str, Any]:
    """Read a spec, and put what it says over what it `extends`, which is looked for beside it."""
    if path.resolve() in heirs:
        raise InputError(f"a spec must not extend itself, but {path} does, over {len(heirs)} file(s)")
    content = _read_yaml(path)
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise InputError(f"`extends` must be a named spec or a YAML file, but got {base!r} in {path}")
    inherited = _derived(_path_of(base, path.parent), (*heirs, path.resolve()))
    return _over({key: value for key, value in inherited.items() if key not in _OWN}, content)


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge mappings; a list or a single value replaces what was there, and null takes it away."""
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _over(merged[key], value)
        else:
            merged[key] = value
    return merged


class _Loader(yaml.SafeLoader):
    """YAML in which 8e-4 is a number, as people expect; YAML 1.1 wants 8.0e-4 and makes a string of it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(), _Loader)
    except OSError as error:
        raise InputError(f"the spec {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"the spec {path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"a spec must be a YAML mapping, but {path} holds {type(content).__name__}")
    return content


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set takes key=value, such as pretraining.batch=64, but got `{override}`")
    *parents, last = key.split(".")
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"--set {key}: the value `{text}` is not valid YAML") from error
    place: Any = content
    for parent in parents:
        place = place.setdefault(parent, {}) if isinstance(place, dict) else _list_item(place, parent, key)
        if place is None:
            raise InputError(f"--set {key}: `{parent}` is empty in the spec")
    if isinstance(place, list):
        _list_item(place, last, key)
        place[int(last)] = value
    elif isinstance(place, dict) and value is None:
        place.pop(last, None)
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InputError(f"--set {key}: `{parents[-1]}` is a single value, it has no `{last}`")


def _list_item(place: Any, index: str, key: str) -> Any:
    if not isinstance(place, list) or not index.isdigit() or int(index) >= len(place):
        raise InputError(f"--set {key}: there is no item `{index}`")
    return place[int(index)]


def parse(content: dict[str, Any], where: str) -> StudySpec:
    """Check the content of a spec.

    Raises:
        InputError: the first thing wrong with it, in one line.
    """
    try:
        return StudySpec.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_one_line(error)}") from error


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "spec"
    if first["type"] == "extra_forbidden":
        return f"unknown key `{place}`{nearest(str(first['loc'][-1]), _siblings(first['loc']))}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in ("value_error", "missing"):
        return f"`{place}`: {message}"
    return f"`{place}`: {message}, but got {first['input']!r}"


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are valid where an unknown one was found."""
    model: Any = StudySpec
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if hasattr(model, "model_fields") else None
        inner = getattr(annotation, "__args__", (annotation,))
        model = next((kind for kind in reversed(inner) if hasattr(kind, "model_fields")), RangeSpec)
    return list(model.model_fields)


def explained(model: type[BaseModel] = StudySpec, prefix: str = "") -> str:
    """Return one line for each key of a spec: its path, its default, its meaning and unit."""
    lines = []
    for name, field in model.model_fields.items():
        inner = next((kind for kind in (*get_args(field.annotation), field.annotation) if _is_part(kind)), None)
        if inner is not None and inner is not RangeSpec:
            item = "0." if get_origin(field.annotation) is list else ""
            lines.append(explained(inner, f"{prefix}{name}.{item}"))
            continue
        default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)}"
        lines.append(f"  {prefix}{name} ({default})\n      {field.description}")
    return "\n".join(lines)


def _is_part(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Part)
