"""Delivery: use cases (service), command line, report."""
