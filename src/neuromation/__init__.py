"""Neuromation: a self-hostable AI marketplace - synthetic data, compute and models, verified, then paid."""

__version__ = "0.1.0"
