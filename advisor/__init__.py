"""Decide: problem -> plan -> verified plan -> recommendation."""
