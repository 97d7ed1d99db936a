"""Imports go down only: study -> trainers -> curricula."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = {"ray", "mlflow", "optuna"}
FORBIDDEN = {
    "curricula": SERVICES | {"torch", "transformers", "trainers", "study"},
    "trainers": SERVICES | {"study"},
}
UNPICKLERS = {"pickle.load", "pickle.loads", "torch.load", "cloudpickle.load", "cloudpickle.loads", "joblib.load"}


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> set[str]:
    """Top-level names of everything that the file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides where it leads"
            names.add(str(node.module).partition(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_points_upwards(package):
    upwards = {str(path.relative_to(ROOT)): imported(path) & FORBIDDEN[package] for path in sources(package)}
    assert {path: names for path, names in upwards.items() if names} == {}


@pytest.mark.parametrize("package", ["curricula", "trainers", "study"])
def test_nothing_is_unpickled(package):
    for path in sources(package):
        tree = ast.parse(path.read_text())
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not calls & UNPICKLERS, path
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "cloudpickle", "torch", "joblib"):
                assert not {"load", "loads", "Unpickler"} & {alias.name for alias in node.names}, path
            if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "trust_remote_code"):
                assert ast.unparse(node.value) == "False", path


def modules_of(package: str) -> list[str]:
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in sources(package)]
    return [".".join(names).removesuffix(".__init__") for names in parts]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_importing_a_whole_package_loads_nothing_above_it(package):
    code = "import importlib, sys\n"
    code += f"for name in {modules_of(package)}:\n    importlib.import_module(name)\n"
    code += f"print(*sorted({FORBIDDEN[package]} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == ""


def test_the_statistics_load_no_service_and_no_torch():
    modules = [*modules_of("study/evidence"), "study.api"]
    code = f"import importlib, sys\nfor name in {modules}:\n    importlib.import_module(name)\n"
    code += f"print(*sorted({SERVICES | {'torch', 'transformers'}} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == ""
