"""Hyper-parameters by Optuna, judged on a rolling origin."""

from __future__ import annotations

import numpy as np
import optuna

from features.frame import FeatureFrame
from models.gbm import GbmParameters, LinearPlusGbm
from training.splits import rolling_origin


def tune_gbm(frame: FeatureFrame, start: GbmParameters, trials: int, seed: int) -> GbmParameters:
    """Search LightGBM's hyper-parameters.

    Parameters
    ----------
    frame : FeatureFrame
        Measured rows; the search never sees rows outside it.
    start : GbmParameters
        Tried first, so that the result is never worse on the folds.
    trials : int
    seed : int

    Returns
    -------
    GbmParameters
    """
    folds = rolling_origin(frame)

    def error(trial: optuna.Trial) -> float:
        parameters = _suggest(trial, start)
        losses = [
            np.abs(
                frame.rows(f.test).target()
                - LinearPlusGbm("", parameters).fit(frame.rows(f.train)).predict(frame.rows(f.test))
            ).mean()
            for f in folds
        ]
        return float(np.mean(losses))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(
        {
            "learning_rate": start.learning_rate,
            "num_leaves": start.num_leaves,
            "min_data_in_leaf": start.min_data_in_leaf,
            "feature_fraction": start.feature_fraction,
            "lambda_l2": start.lambda_l2,
            "rounds": start.rounds,
        }
    )
    study.optimize(error, n_trials=trials)
    return _suggest(optuna.trial.FixedTrial(study.best_params), start)


def _suggest(trial: optuna.Trial | optuna.trial.FixedTrial, start: GbmParameters) -> GbmParameters:
    return start.with_(
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        num_leaves=trial.suggest_int("num_leaves", 7, 127, log=True),
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 5, 100, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.5, 1.0),
        lambda_l2=trial.suggest_float("lambda_l2", 1e-3, 10.0, log=True),
        rounds=trial.suggest_int("rounds", 100, 600),
    )
