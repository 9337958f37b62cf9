"""One function per use case; command line, page and batch call these and nothing else."""
