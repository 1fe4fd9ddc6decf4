"""The peers that `bench.whole_job` measures; each script runs in a virtual environment of its own."""
