"""snnc compiles ONNX models to spiking neural networks for neuromorphic hardware."""
