"""The picture of the default run, as ``onlinemode simulate --N 10000`` draws it, and the same run as a movie.

    python figures/showcase.py            # from figures/data, where it has been computed before
    python figures/showcase.py --fresh    # everything anew, about a minute
"""

from common import FOLDER, run, save

import onlinemode as om

N, ALPHA = 10_000, 80.0


def main():
    problem = om.Problem(rates=om.LearningRates(xi_in=3.0))
    weights = om.initial.showcase(N)
    sgd = run("showcase_sgd", problem, weights, ALPHA, "micro")
    ode = run("showcase_ode", problem, weights, ALPHA, "ode", save_at=sgd.alpha)
    title = f"showcase: N = {N:,}, K = 3, M = 3, P = 3, erf, η = 3"
    save(om.plotting.overview([sgd, ode], title), "showcase")
    om.plotting.animate([sgd, ode], FOLDER / "showcase.gif", title)
    print("figures/showcase.gif")


if __name__ == "__main__":
    main()
