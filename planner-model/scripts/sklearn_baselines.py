#!/usr/bin/env python3
"""What scikit-learn's forests make of the same runs, judged on the same queries.

    planner-model export LOG --out export
    python3 -m venv venv && venv/bin/pip install scikit-learn pandas pyarrow
    venv/bin/python planner-model/scripts/sklearn_baselines.py export

One model for all plans, with the plan as a feature, and one model for each plan; the target is ln(ms), or ln of the ratio to the
analytic cost of the cheapest candidate (`--relative`). Choices are those with the least predicted latency. The columns are those of
`planner-model evaluate`; `analytic` and the fixed plans are there to check that both count alike.
"""

import argparse
import json
import os
import pathlib

# Threads that wait for one another on a machine that is busy with something else take many times as long.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

CANDIDATE = ["group", "plan", "operators"]


def load(folder):
    """One row a run, with the median of its candidate; and what is held out."""
    runs = pd.read_parquet(folder / "runs.parquet")
    splits = json.loads((folder / "splits.json").read_text())
    # The candidate's median is the truth, as in the tool.
    runs["median_us"] = runs.groupby(CANDIDATE)["us"].transform("median")
    return runs, splits


def models(seed):
    return {
        "RandomForestRegressor": lambda: RandomForestRegressor(
            n_estimators=100, max_features=0.5, min_samples_leaf=4, n_jobs=-1, random_state=seed
        ),
        "HistGradientBoostingRegressor": lambda: HistGradientBoostingRegressor(max_iter=300, random_state=seed),
    }


def columns(runs, relative):
    """The features; the analytic cost is none where it is the unit."""
    left_out = {"f_analytic_cost"} if relative else set()
    return [name for name in runs.columns if name.startswith("f_") and name not in left_out]


def target(rows, relative):
    ln_ms = np.log(rows["us"].to_numpy() / 1e3)
    return ln_ms - scale(rows) if relative else ln_ms


def analytic(rows):
    """ln of the analytic milliseconds, from the feature that models see."""
    return (rows["f_analytic_cost"].to_numpy(dtype=float) - 3.0) * np.log(10.0)


def scale(rows):
    """ln of the analytic milliseconds of the cheapest candidate of the query: the unit of relative predictions."""
    over = rows["f_over_cheapest"].to_numpy(dtype=float) * np.log(10.0)
    return analytic(rows) - over


def predicted(make, per_plan, relative, train, test, names, plans):
    """ln of the predicted milliseconds of the test candidates."""
    offset = scale(test) if relative else 0.0
    if not per_plan:
        kinds = pd.CategoricalDtype(plans)
        with_plan = lambda rows: np.column_stack([rows[names], pd.get_dummies(rows["plan"].astype(kinds))])
        return make().fit(with_plan(train), target(train, relative)).predict(with_plan(test)) + offset
    out = np.full(len(test), np.nan)
    for plan in plans:
        here, there = train["plan"] == plan, (test["plan"] == plan).to_numpy()
        if there.any() and here.sum() >= 40:
            rows = train[here]
            out[there] = make().fit(rows[names], target(rows, relative)).predict(test[there][names])
    # A plan that was hardly seen goes by its analytic cost.
    return np.where(np.isnan(out), analytic(test) - (analytic(test) if relative else 0.0), out) + offset


def chosen(test, score):
    """For each group the row with the least score, and that with the least median."""
    test = test.assign(score=score)
    return test.loc[test.groupby("group")["score"].idxmin()].set_index("group")["median_us"]


def fixed(test, plan):
    """The plan where it applies, by its cheapest candidate, else the cheapest of all."""
    return np.where(test["plan"] == plan, test["analytic_us"], test["analytic_us"] + 1e15)


def summary(us, best, reference, ln_error=None):
    regret = (us / best).to_numpy()
    line = {
        "geometric mean": np.exp(np.log(regret).mean()),
        "p50": np.quantile(regret, 0.50, method="inverted_cdf"),
        "p95": np.quantile(regret, 0.95, method="inverted_cdf"),
        "p99": np.quantile(regret, 0.99, method="inverted_cdf"),
        "max": regret.max(),
        "total/oracle": us.sum() / best.sum(),
        "% slower than best fixed": 100.0 * (us > 1.05 * reference).mean(),
        "MAE ln(ms)": np.nan if ln_error is None else np.abs(ln_error).mean(),
    }
    return line


def evaluate(runs, splits, holdout, relative, seed):
    plans, names = splits["plans"], columns(runs, relative)
    candidates = runs[runs["repetition"] > 0].drop_duplicates(CANDIDATE)
    scores = {}
    parts = []
    for fold in splits["holdouts"][holdout]:
        train = runs[runs["group"].isin(fold["train"])]
        test = candidates[candidates["group"].isin(fold["test"])]
        if test.empty:
            continue
        parts.append(test)
        add = lambda name, score: scores.setdefault(name, []).append(np.asarray(score, dtype=float))
        for name, make in models(seed).items():
            add(f"{name}, all plans", predicted(make, False, relative, train, test, names, plans))
            add(f"{name}, by plan", predicted(make, True, relative, train, test, names, plans))
        add("analytic", np.log(test["analytic_us"] / 1e3))
        for plan in plans:
            add(f"always {plan}", fixed(test, plan))
    if not parts:
        return None
    test = pd.concat(parts, ignore_index=True)
    best = test.groupby("group")["median_us"].min()
    us = {name: chosen(test, np.concatenate(score)) for name, score in scores.items()}
    geometric = lambda name: np.exp(np.log(us[name] / best).mean())
    reference = us[min((f"always {plan}" for plan in plans), key=geometric)]
    finished = ~test["censored"].to_numpy()
    truth = np.log(test["median_us"].to_numpy() / 1e3)
    lines = {}
    for name, score in scores.items():
        error = None if name.startswith("always") else (np.concatenate(score) - truth)[finished]
        lines[name] = summary(us[name], best, reference, error)
    return pd.DataFrame(lines).T, len(best)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=pathlib.Path, help="folder that `planner-model export` wrote")
    parser.add_argument("--relative", action="store_true", help="learn the ratio to the analytic cost")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--holdout", action="append", help="only this one; may be given several times")
    arguments = parser.parse_args()
    runs, splits = load(arguments.export)
    for holdout in arguments.holdout or splits["holdouts"]:
        found = evaluate(runs, splits, holdout, arguments.relative, arguments.seed)
        if found is None:
            print(f"## held out: {holdout}\n\nnothing to judge by\n")
            continue
        table, groups = found
        print(f"## held out: {holdout}\n\n{groups} groups\n")
        print(table.to_string(float_format=lambda value: f"{value:.3f}"), flush=True)
        print()


if __name__ == "__main__":
    main()
