"""The guard needs torch and the standard library only, under any name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import wellposed.guard

FOLDER = Path(wellposed.guard.__file__).parent


def python(code: str, folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_importing_the_guard_loads_nothing_else_of_ours_and_no_other_package():
    code = (
        "import torch, sys; before = set(sys.modules); import wellposed.guard\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "ours = {name for name in sys.modules if name.startswith('wellposed.')}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))\n"
        "print(all(name.startswith('wellposed.guard') for name in ours))\n"
    )
    assert python(code, FOLDER.parents[1]) == "['wellposed']\nTrue\n"


def test_a_copy_of_the_folder_works_under_another_name(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "sentinel")
    code = (
        "import torch, sys, sentinel\n"
        "model = torch.nn.Linear(2, 1)\n"
        "guard = sentinel.Guard(model, veto=True)\n"
        "loss = torch.sqrt(model(torch.ones(1, 2)) * 0).sum(); loss.backward()\n"
        "print(guard.step(0, {'loss': loss}), guard.word(), sentinel.rule('WP302')[:7])\n"
        "print([name for name in sys.modules if name.startswith('wellposed')])\n"
    )
    assert python(code, tmp_path) == "False WP302 # WP302\n[]\n"


def test_the_adapter_of_plain_loops_works_in_a_copy_and_loads_no_framework(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "sentinel")
    code = (
        "import torch, sys\n"
        "from sentinel.adapters.loop import guarded\n"
        "model = torch.nn.Linear(2, 1); optimizer = torch.optim.Adam(model.parameters())\n"
        "with guarded(model, optimizer, report=lambda text: None) as guard:\n"
        "    loss = (model(torch.ones(1, 2)) * float('nan')).sum(); loss.backward()\n"
        "    guard.terms({'loss': loss}); optimizer.step()\n"
        "print(guard.refused_total, len(optimizer.state))\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(loaded & {'lightning', 'pytorch_lightning', 'accelerate', 'wellposed'})\n"
    )
    assert python(code, tmp_path) == "1 0\nset()\n"


def test_one_command_replays_a_saved_alarm(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.mix = torch.nn.Linear(2, 2)\n"
        "    def forward(self, x):\n"
        "        return torch.log(self.mix(x) * x.sum())\n"
        "def build():\n"
        "    return Net()\n"
    )
    code = (
        "import torch, mine, sys\n"
        "from wellposed.guard import Guard, FlightRecorder\n"
        "from wellposed.guard.__main__ import main\n"
        "model = mine.build()\n"
        f"guard = Guard(model, veto=True, recorder=FlightRecorder({str(tmp_path)!r}))\n"
        "loss = model(torch.zeros(1, 2)).sum(); loss.backward(); guard.step(3, {'loss': loss})\n"
        f"sys.exit(main([{str(tmp_path / 'step-00000003')!r}, 'mine:build']))\n"
    )
    paths = f"{FOLDER.parents[1]}{os.pathsep}{tmp_path}"
    last = python(code, Path(paths)).splitlines()[-1]
    assert last.startswith("replayed now: forward, log in model (mine.py:7: ")
