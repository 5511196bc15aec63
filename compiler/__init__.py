"""The compiler: ONNX in, passes, a network on a target out."""
