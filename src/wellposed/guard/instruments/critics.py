"""What a critic (discriminator) can tell apart: its own loss does not say."""

import torch
from torch import Tensor


@torch.no_grad()
def critic_scores(real: Tensor | None, fake: Tensor | None, active: bool) -> dict[str, float]:
    """Means, spreads, share of undefined scores, and the area under the ROC curve.

    Scores of one example are averaged, so that n counts examples. None: not computed.
    """
    table = {"active": float(active)}
    means = {}
    for name, scores in (("real", real), ("fake", fake)):
        if scores is None:
            continue
        each = scores.detach().float().reshape(len(scores), -1).mean(1).cpu()
        defined = each[each.isfinite()]
        table[f"{name}_n"] = float(len(each))
        table[f"{name}_undefined"] = float(len(each) - len(defined))
        if len(defined):
            means[name] = defined
            table[f"{name}_mean"] = float(defined.mean())
            table[f"{name}_range"] = float(defined.max() - defined.min())
    if len(means) == 2:
        gap = means["real"][:, None] - means["fake"][None, :]
        table["auc"] = float(((gap > 0).float() + 0.5 * (gap == 0).float()).mean())
    return table
