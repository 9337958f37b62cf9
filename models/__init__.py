"""Predictors with fit and predict, their intervals and the model store."""
