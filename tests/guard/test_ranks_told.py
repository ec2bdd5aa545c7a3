"""Two processes that tell their guards different things: the verdict is one, and nobody waits."""

import os
import subprocess
import sys
from pathlib import Path

import wellposed.guard

WORKER = """
import sys, torch, torch.distributed as dist
from torch import nn
from wellposed.guard.adapters.loop import guarded
from wellposed.guard.plan import Plan

rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(0)
made, critic = nn.Linear(2, 2), nn.Linear(2, 1)
models = {"made": made, "critic": critic}
players = {name: torch.optim.Adam(each.parameters()) for name, each in models.items()}
said = []
with guarded(models, players, plan=Plan(steps=40), look_every=4, report=said.append) as guard:
    for step in range(40):
        x = torch.rand(4, 2)
        if step == 20 and rank == 1:
            x[0, 0] = float("nan")
        for name, optimizer in players.items():
            optimizer.zero_grad()
            out = made(x)
            loss = critic(out).mean()
            if rank == 0:
                # One rank alone hears a constant critic, a dead codebook and the forces.
                guard.critic(step, torch.ones(4), torch.ones(4), term="fool")
                guard.codes(step, torch.zeros(500, dtype=torch.int64), 16)
                guard.forces(step, {"fool": loss}, out)
            else:
                guard.critic(step, torch.ones(4), torch.full((4,), float("nan")))
            loss.backward()
            guard.terms({name: loss})
            optimizer.step()
told = sorted({finding.code for finding in guard.findings} & {"WP301", "WP108", "WP110", "WP119"})
weights = torch.cat([each.flatten() for each in made.parameters()])
print(guard.steps, guard.refused_total, len(said), *told, bool(weights.isfinite().all()))
dist.barrier()
dist.destroy_process_group()
"""


def test_ranks_that_hear_different_things_refuse_together_and_report_what_each_has_heard(tmp_path):
    source = str(Path(wellposed.guard.__file__).parents[2])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "store")],
            env=os.environ | {"PYTHONPATH": source},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    results = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], results
    first, second = (out.strip() for out, _ in results)
    # The first rank prints the report; both refuse the step whose batch was bad on the second.
    assert first == "40 1 1 WP108 WP119 WP301 True"
    assert second == "40 1 0 WP110 WP301 True"
