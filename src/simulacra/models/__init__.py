"""Networks bound to their representation and conditions: what a checkpoint and an ONNX file hold."""
