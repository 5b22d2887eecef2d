"""beside_torch.py - activations, add and gate of the library in double, forward and backward,
beside PyTorch's own functions and its gradients; batch, layer, instance, group and RMS norm."""
import itertools
import pathlib
import sys

import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"))
import normalize

N, C, H, W, GROUPS = 3, 6, 4, 5, 3
SLOPE, LOW, HIGH = 0.1, -0.5, 1.5
ACTS = [lambda v: v, functional.relu, lambda v: functional.leaky_relu(v, SLOPE),
        lambda v: functional.hardtanh(v, LOW, HIGH), functional.hardswish, functional.silu]


def norm(kind, x):
    """xhat by the formula; PyTorch's own norms have no layer norm over channels alone."""
    axes = {normalize.BATCH: (0, 2, 3), normalize.LAYER: (1,), normalize.INSTANCE: (2, 3),
            normalize.GROUP: (2, 3, 4), normalize.RMS: (1,)}[kind]
    z = x.reshape(N, GROUPS, -1, H, W) if kind == normalize.GROUP else x
    if kind != normalize.RMS:
        z = z - z.mean(axes, keepdim=True)
    return (z / torch.sqrt((z * z).mean(axes, keepdim=True) + 1e-5)).reshape(x.shape)


def by_torch(kind, act, t, with_add, with_gate):
    """y, and the gradients of what was given, by name."""
    names = ["x", "gamma", "beta"] + ["add"] * with_add + ["gate"] * with_gate
    leaf = {name: t[name].clone().requires_grad_() for name in names}
    v = norm(kind, leaf["x"]) * leaf["gamma"].view(1, C, 1, 1) + leaf["beta"].view(1, C, 1, 1)
    y = ACTS[act](v + leaf["add"] if with_add else v)
    if with_gate:
        y = y * functional.silu(leaf["gate"])
    gradients = torch.autograd.grad(y, list(leaf.values()), t["dy"])
    return {"y": y.detach(), **{"d" + name: g for name, g in zip(names, gradients)}}


def by_library(kind, act, t, with_add, with_gate):
    desc = normalize.Desc(n=N, c=C, s=H * W, groups=GROUPS, kind=kind, dtype=normalize.F64,
                          act=act, eps=1e-5, act_slope=SLOPE, act_low=LOW, act_high=HIGH)
    names = ["y", "dx", "dgamma", "dbeta"] + ["dadd"] * with_add + ["dgate"] * with_gate
    out = {name: torch.zeros_like(t["gamma" if name in ("dgamma", "dbeta") else "x"])
           for name in names}
    held = dict(t, mean=torch.zeros(N * C * H * W).double(),
                rstd=torch.zeros(N * C * H * W).double())
    args = normalize.Args(**{name: value.data_ptr() for name, value in {**held, **out}.items()
                             if (name != "add" or with_add) and (name != "gate" or with_gate)})
    for call in (normalize._library.nrm_forward, normalize._library.nrm_backward):
        if call(normalize.ctypes.byref(desc), normalize.ctypes.byref(args)):
            raise SystemExit("the library returns an error")
    return out


def main():
    torch.manual_seed(1)
    t = {name: torch.randn(N, C, H, W).double() for name in ("x", "dy", "add", "gate")}
    t["gamma"], t["beta"] = torch.randn(C).double(), torch.randn(C).double()
    worst = 0
    for case in itertools.product(range(5), range(len(ACTS)), (False, True), (False, True)):
        kind, act, *given = case
        expected, got = by_torch(kind, act, t, *given), by_library(kind, act, t, *given)
        for name, exact in expected.items():
            error = ((got[name] - exact).abs().max() / exact.abs().max()).item()
            worst = max(worst, error)
            if not error < 1e-12:
                print(f"kind {kind}, act {act}, add and gate {given}: {name} is off by {error:.2g}")
    print(f"PyTorch {torch.__version__}: largest difference {worst:.2g} of the largest value")
    return worst < 1e-12


if __name__ == "__main__":
    raise SystemExit(not main())
