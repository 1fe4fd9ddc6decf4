"""The bare hot path over HTTP: what a network says of a picture, for pipelines and benchmarks."""
