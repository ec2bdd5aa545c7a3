"""The picture of the house in `wellposed/__init__.py`, held by reading the imports.

Nothing is imported for it: every source file is parsed, so that imports inside functions, relative
imports and `if TYPE_CHECKING` count as well. A layer that does not exist yet is no violation.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "wellposed"

# What a layer may import of ours, itself apart. Whoever adds a layer adds its line here.
SIGNALS = {"dsp", "nn", "losses", "metrics", "data"}
TRAINING = {"guard", "engine"}
BASE = {"errors", "intervals", "__version__"}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "intervals": set(),
    "guard": set(),
    "dsp": BASE,
    "nn": {"dsp"} | BASE,
    "losses": {"dsp"} | BASE,
    "metrics": {"dsp"} | BASE,
    "data": {"dsp"} | BASE,
    "engine": {"guard"} | BASE,
    "doctor": {"guard"} | BASE,
    "systems": SIGNALS | TRAINING | BASE,
    "report": SIGNALS | TRAINING | {"systems"} | BASE,
    "faults": SIGNALS | TRAINING | {"systems"} | BASE,
    "cli": SIGNALS | TRAINING | {"systems", "report", "doctor", "faults"} | BASE,
    "__main__": {"cli"},
}
GUARD_NEEDS = {"torch"} | sys.stdlib_module_names
# What guard/adapters/ may import besides, and only inside a function: a framework under its two
# names, and a tracker. An accelerator of Accelerate is handed over as it is, and TensorBoard comes
# through torch.utils, so these need no line.
ADAPTED = {"lightning", "pytorch_lightning", "wandb"}
DRAWERS = {"utils", "util", "helpers", "helper", "common", "core", "misc"}


def imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of every import; `package` is where the file lies."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            kept = package[: len(package) - node.level + 1] if node.level else ()
            origin = (*kept, *([node.module] if node.module else []))
            yield from ((node.lineno, ".".join((*origin, alias.name))) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value


def hasty(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Imports of an adapted framework that happen with the import of the file."""
    inside = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for line, _ in imported(node, package)
    }
    for line, target in imported(tree, package):
        if target.split(".")[0] in ADAPTED and line not in inside:
            yield line, target


def refusal(importer: tuple[str, ...], target: str) -> str | None:
    """Why the file at `importer`, seen from wellposed/, may not import `target`; None if it may."""
    layer, wanted = importer[0], target.split(".")
    if layer == "__init__":
        return "wellposed/__init__.py imports nothing"
    if wanted[0] != "wellposed":
        adapted = importer[1:2] == ("adapters",) and wanted[0] in ADAPTED
        if layer == "guard" and wanted[0] not in GUARD_NEEDS and not adapted:
            return "guard needs torch and the standard library only"
        return None
    if len(wanted) == 1:
        return "name what is wanted: `from wellposed.layer.file import thing`"
    if layer == "systems" and wanted[1] == "systems":
        # The registry, systems/__init__.py, is the one file that sees several systems.
        sideways = importer[1] != "__init__" and wanted[2:3] != [importer[1]]
        return "systems never look sideways: what two need moves down" if sideways else None
    if wanted[1] != layer and wanted[1] not in MAY_IMPORT[layer]:
        return (
            f"{layer} may import only {', '.join(sorted(MAY_IMPORT[layer])) or 'nothing of ours'}"
        )
    return None


def misplaced(relative: Path) -> Iterator[str]:
    """What is wrong with the name or the place of a source file below wellposed/."""
    names = [*relative.parts[:-1], relative.stem]
    if names[0] not in MAY_IMPORT:
        yield f"unknown layer '{names[0]}': give it a line in tests/test_layers.py"
    for name in names:
        if name in DRAWERS:
            yield f"'{name}' says nothing about what is inside"
        if name in sys.stdlib_module_names:
            yield f"'{name}' is the name of a standard-library module"


def violations(source: Path) -> list[str]:
    """Every breach of the rules below the folder `source`, as "file:line: what, why"."""
    found = []
    for path in sorted(source.rglob("*.py")):
        relative = path.relative_to(source)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{relative}: {fault}" for fault in misplaced(relative)]
        if not ast.get_docstring(tree):
            found.append(f"{relative}:1: no docstring that says what is inside")
        importer = (*relative.parts[:-1], relative.stem)
        if importer[0] not in MAY_IMPORT:
            continue
        for line, target in hasty(tree, ("wellposed", *relative.parts[:-1])):
            found.append(f"{relative}:{line}: imports {target}, but outside a function")
        for line, target in imported(tree, ("wellposed", *relative.parts[:-1])):
            if reason := refusal(importer, target):
                found.append(f"{relative}:{line}: imports {target}, but {reason}")
    return found


def plant(root: Path, file: str, text: str) -> Path:
    """A package of one file with a docstring and `text`; gives its folder."""
    path = root / "wellposed" / file
    path.parent.mkdir(parents=True)
    path.write_text(f'"""What is inside."""\n{text}\n', encoding="utf-8")
    return root / "wellposed"


def test_every_source_file_keeps_to_the_picture():
    assert violations(SOURCE) == []


def test_the_rules_are_read_from_the_real_package():
    files = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}
    assert {"__init__.py", "__main__.py", "errors.py"} <= files


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("__init__.py", "import os", "imports nothing"),
        ("errors.py", "from wellposed.dsp import stft", "nothing of ours"),
        ("dsp/stft.py", "from wellposed.nn.bandsplit import BandSplit", "dsp may import only"),
        ("nn/bandsplit.py", "from wellposed.losses import waveform", "nn may import only"),
        ("losses/waveform.py", "import wellposed.guard", "losses may import only"),
        ("data/audio.py", "from wellposed import engine", "data may import only"),
        ("metrics/speech.py", "from ..systems import enhance", "metrics may import only"),
        ("metrics/speech.py", "from .. import data", "metrics may import only"),
        ("engine/loop.py", "from ..dsp.stft import Stft", "engine may import only"),
        ("engine/deep/loop.py", "from ...data import audio", "engine may import only"),
        ("engine/loop.py", "def f():\n    import wellposed.cli", "engine may import only"),
        ("engine/loop.py", "importlib.import_module('wellposed.data')", "engine may import only"),
        ("guard/watch.py", "from wellposed.errors import WellposedError", "nothing of ours"),
        ("guard/watch.py", "import numpy as np", "torch and the standard library only"),
        ("guard/watch.py", "def f():\n    import lightning", "torch and the standard library only"),
        ("guard/adapters/loop.py", "def f():\n    import accelerate", "torch and the standard"),
        ("guard/adapters/lightning.py", "import lightning.pytorch", "outside a function"),
        ("systems/enhance/use.py", "from wellposed.systems.codec import use", "sideways"),
        ("systems/enhance/use.py", "from ..codec.use import code", "sideways"),
        ("systems/enhance/use.py", "from wellposed.systems import open_system", "sideways"),
        ("systems/enhance/use.py", "from wellposed.report.page import write", "systems may"),
        ("report/page.py", "from wellposed.cli import main", "report may import only"),
        ("engine/loop.py", "import wellposed", "name what is wanted"),
        ("engine/random.py", "", "standard-library"),
        ("signal/level.py", "", "standard-library"),
        ("dsp/utils.py", "", "says nothing"),
        ("common/stft.py", "", "says nothing"),
        ("novelty/first.py", "", "unknown layer"),
    ],
)
def test_a_planted_violation_is_named_with_its_file(
    tmp_path: Path, file: str, text: str, reason: str
):
    found = violations(plant(tmp_path, file, text))
    assert any(reason in line and line.startswith(file) for line in found), found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("dsp/stft.py", "import torch\nfrom . import bands\nfrom ..errors import DataError"),
        ("nn/bandsplit.py", "from wellposed.dsp import bands"),
        ("guard/__init__.py", "import json\nimport torch\nfrom .watch import Guard"),
        ("guard/adapters/lightning.py", "def f():\n    import_module('lightning.pytorch')"),
        ("engine/loop.py", "from wellposed.guard import Guard\nfrom .recipe import Recipe"),
        ("systems/__init__.py", "from wellposed.systems.enhance.system import Enhance"),
        (
            "systems/enhance/use.py",
            "from .model import Model\nfrom ...metrics import speech",
        ),
        ("report/page.py", "from wellposed.engine.storage.history import read_history"),
        ("cli.py", "from wellposed import __version__\nfrom wellposed.report import page"),
        ("__main__.py", "from wellposed.cli import main"),
    ],
)
def test_what_the_picture_allows_is_no_violation(tmp_path: Path, file: str, text: str):
    assert violations(plant(tmp_path, file, text)) == []


def test_a_file_without_a_docstring_is_named(tmp_path: Path):
    source = plant(tmp_path, "dsp/stft.py", "")
    (source / "dsp" / "stft.py").write_text("import torch\n", encoding="utf-8")
    assert violations(source) == ["dsp/stft.py:1: no docstring that says what is inside"]


def test_a_copy_of_the_guard_folder_does_not_need_the_original():
    # Relative imports resolve below "copy"; whatever still says "wellposed" would miss us there.
    for path in sorted((SOURCE / "guard").rglob("*.py")):
        package = ("copy", *path.relative_to(SOURCE).parts[:-1])
        names = [name for _, name in imported(ast.parse(path.read_text("utf-8")), package)]
        assert not [name for name in names if name.split(".")[0] == "wellposed"], path
