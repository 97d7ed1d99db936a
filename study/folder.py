"""The folder of a study: its name, spec and identity."""

import shutil
import uuid
from pathlib import Path

import yaml

from curricula import InputError
from study.spec.files import parse
from study.spec.study import StudySpec
from trainers.files import written

_SPEC, _ID = "spec.yaml", "study_id"


def create_folder(spec: StudySpec) -> StudySpec:
    """Make the folder of a new study; a name that is taken gets the next free number.

    Raises:
        InputError: the results folder cannot be written.
    """
    number = 0
    while True:
        number += 1
        name = spec.name if number == 1 else f"{spec.name}-{number}"
        numbered = spec.model_copy(update={"name": name})
        folder = numbered.folder()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"the results folder {folder.parent} cannot be written: {error.strerror}") from error
        try:
            (folder / _ID).write_text(uuid.uuid4().hex)
            written(folder / _SPEC, yaml.safe_dump(numbered.model_dump(mode="json"), sort_keys=False))
        except OSError as error:
            shutil.rmtree(folder)
            raise InputError(f"the results folder {folder.parent} cannot be written: {error.strerror}") from error
        return numbered


def named_studies(root: Path) -> list[str]:
    """Return the names of the folders in a results folder that hold a study, in order."""
    return sorted(entry.parent.name for entry in root.glob(f"*/{_SPEC}"))


def saved_spec(name: str, results: str) -> StudySpec:
    """Return the spec of a study that was started before.

    Raises:
        InputError: there is no such study, its spec is damaged or of another version, or is another study's: what was
            copied or renamed would go on in the folder of that one.
    """
    root = Path(results).expanduser().resolve()
    path = root / name / _SPEC
    if not path.exists():
        raise InputError(f"there is no study `{name}` in {root} (there: {', '.join(named_studies(root)) or 'none'})")
    spec = spec_in(root / name)
    if spec.name != name:
        raise InputError(
            f"{path} must be of the study `{name}`, but names `{spec.name}`: the folder was copied or renamed; change "
            "`name` in it, or the folder's name"
        )
    return spec


def spec_in(folder: Path) -> StudySpec:
    """Return the spec that lies in a folder, whatever study it names.

    Raises:
        InputError: it is not there, damaged, or not one that this version accepts.
    """
    path = folder / _SPEC
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"the spec {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"a spec must be a YAML mapping, but {path} holds {type(content).__name__}")
    return parse({**content, "results": str(folder.parent)}, str(path))


def study_id(folder: Path) -> str:
    """Return the identity of a study: its name may be taken elsewhere, this is not."""
    return (folder / _ID).read_text()


def search_path(folder: Path) -> Path:
    """Return the file in which Optuna keeps the search of a study; there is none where it searches nothing."""
    return folder / "optuna.journal"


def how_it_ended(folder: Path, run: str) -> str | None:
    """Return FINISHED or FAILED as the folder of a study says it of a run; None where it may go on."""
    if (folder / "runs" / run / "failure.json").exists():
        return "FAILED"
    return "FINISHED" if (folder / "runs" / run / "ended").exists() else None


def under_way(folder: Path) -> list[str]:
    """Return the runs that have begun and not ended: the study runs still, or was interrupted."""
    begun = sorted(path.name for path in (folder / "runs").glob("*") if path.is_dir())
    return [run for run in begun if how_it_ended(folder, run) is None]


def resume_line(folder: Path) -> str:
    """Return the command that goes on with a study."""
    return f"python -m study.run --resume {folder.name} --results {folder.parent}"
