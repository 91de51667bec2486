"""Networks with their representation and conditions: the content of a checkpoint and of an ONNX file."""
