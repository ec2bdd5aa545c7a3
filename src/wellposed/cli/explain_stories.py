"""`wellposed explain --stories`: is the true cause convicted, and are the wrong ones acquitted?"""

import json
from collections.abc import Sequence
from typing import Any

from wellposed.errors import RecipeError
from wellposed.faults.stories import all_stories
from wellposed.faults.stories.judging import COLUMNS, Judged, judged, line, summary


def judge(only: Sequence[str], seeds: int, budget_s: float, workers: int, *, as_json: bool) -> int:
    """Run the stories and print a table; 1 if one was not right. Raises RecipeError: no story."""
    known = all_stories()
    unknown = [name for name in only if name not in known]
    if unknown or seeds < 1:
        asked = f"--only {', '.join(unknown)}" if unknown else f"--seeds {seeds}"
        raise RecipeError(f"{asked}: wanted 1 seed or more, of {', '.join(known)}.")
    done: list[Judged] = []
    if not as_json:
        print(COLUMNS, flush=True)
    # Stories of one system have their scenes in common, seed by seed, and keep them a while.
    for seed in range(seeds):
        for name in only or known:
            each = judged(known[name], seed, budget_s, workers)
            done.append(each)
            if not as_json:
                print(line(each), flush=True)
    if as_json:
        tree: list[dict[str, Any]] = [each.to_json() for each in done]
        print(json.dumps(tree, indent=1, allow_nan=False))
    else:
        print(summary(done))
    return int(any(not each.right for each in done))
