"""Print what every engine makes of small problems, as JSON: one learns along the input alone, one in the small factors
alone, one decays alone.  tests/test_rule_once.py runs it with learning rules that are changed on purpose."""

import json
import sys

import onlinemode as om
from onlinemode.blocks import OVERLAPS

PROBLEMS = {"along the input": om.Problem(rates=om.LearningRates(xi_in=0.8)),
            "small factors": om.Problem(rates=om.LearningRates(strengths=0.8, xi_out=0.8, readout=0.8)),
            "decay": om.Problem(weight_decay=0.8)}
ALPHA, N = 0.5, 24


def results(device):
    """Engine to problem to what has changed, block by block."""
    start = om.initial.committee(N, K=2, seed=1)
    overlaps = start.order_parameters()
    found = {}
    for name, problem in PROBLEMS.items():
        runs = {engine: om.simulate(problem, start, ALPHA, engine, save_at=[ALPHA], device=device)
                for engine in ("micro", "chain")}
        if device == "cpu":
            runs["ode"] = om.simulate(problem, overlaps, ALPHA, "ode", save_at=[ALPHA])
            runs["leap"] = om.simulate(problem, overlaps, ALPHA, "leap", N=1000, save_at=[ALPHA])
        for engine, run in runs.items():
            found.setdefault(engine, {})[name] = {
                block: (getattr(run, block)[0, 0] - getattr(overlaps, block)).ravel().tolist() for block in OVERLAPS}
        if device == "cpu":
            noise = om.fluctuations(problem, overlaps, [0.0, ALPHA], nodes=256)
            found.setdefault("linear noise", {})[name] = {
                "moments": noise.covariance[-1].ravel().tolist() + noise.bias[-1].tolist()}
    return found


if __name__ == "__main__":
    print(json.dumps(results(sys.argv[1])))
