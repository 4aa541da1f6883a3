"""What the reference costs, beside the chapter's own pipeline in the same run: ``python -m benchmarks --help``."""
