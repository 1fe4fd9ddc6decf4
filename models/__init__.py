"""ONNX networks: what they are, where they are, and how to run them."""
