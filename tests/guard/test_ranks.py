"""Two processes: a number that is bad on one of them is refused by both."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import wellposed.guard

WORKER = """
import gc, sys, torch, torch.distributed as dist
from torch import nn
from wellposed.guard import Guard

rank, store, wrapped = int(sys.argv[1]), sys.argv[2], sys.argv[3] != "plain"
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(0)
plain = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Softplus())
model = nn.parallel.DistributedDataParallel(plain) if wrapped else plain
guard = Guard(plain if sys.argv[3] == "ddp" else model, veto=True)
answers = []
for step in range(3):
    x = torch.rand(4, 2)
    if step == 1 and rank == 1:
        x[0, 0] = float("nan")
    loss = model(x).mean()
    model.zero_grad()
    loss.backward()
    again = (lambda: model(x).mean()) if sys.argv[3] == "ddp" else None
    answers.append(guard.step(step, {"loss": loss}, replay=again))
finding, = guard.findings
print(answers, finding.code, finding.step, finding.evidence["rank"], finding.evidence["operation"])
# Networks that hold the process group go first; else its threads may end the process with it.
del model, plain, guard, loss, again, finding
gc.collect()
dist.barrier()
dist.destroy_process_group()
"""


def outputs(tmp_path: Path, kind: str) -> list[str]:
    source = str(Path(wellposed.guard.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": source}
    command = [sys.executable, "-c", WORKER]
    workers = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store"), kind],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    results = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], results
    return [out.strip() for out, _ in results]


def test_both_ranks_refuse_and_name_the_rank_whose_batch_was_bad(tmp_path):
    expected = "[True, False, True] WP301 1 1 input"
    assert outputs(tmp_path, "plain") == [expected, expected]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "ddp watched itself"])
def test_under_distributed_data_parallel_the_origin_is_named_not_where_it_spread(tmp_path, kind):
    expected = "[True, False, True] WP301 1 1 input"
    assert outputs(tmp_path, kind) == [expected, expected]
