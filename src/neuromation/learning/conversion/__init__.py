"""Models of one framework as those of another, through ONNX: `converting` has the way, `*_models` each framework."""
