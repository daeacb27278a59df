"""Generators, data sets and models on the shelf: who owns them, what they cost, and versions that never change."""
