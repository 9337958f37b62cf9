"""Tune, backtest, gate and promote models."""
