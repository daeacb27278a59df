"""Scenes, generators and data-set formats: usable alone, knows nothing of the market."""
