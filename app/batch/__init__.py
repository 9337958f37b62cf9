"""The nightly batch: a folder of sites in, one complete run in the store out."""
