"""The report: one self-contained page that a facility engineer reads, prints and hands in."""
