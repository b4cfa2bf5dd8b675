"""ONNX Runtime: sessions, devices, batches."""
