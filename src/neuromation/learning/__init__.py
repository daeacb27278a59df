"""Models, training, evaluation, adaptation and export on plain arrays; knows nothing of jobs, nodes or money.

Importing this package stays light: torch and onnx are loaded late. Images come in as uint8 (N, H, W), labels as
int64 (N,) indices into the list of classes.
"""
