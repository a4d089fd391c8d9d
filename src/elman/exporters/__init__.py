"""Graphs of networks for other runtimes: ONNX, C99 and torch.export, and their checks."""
