"""Timings and measurements, each a command that prints a table; no part of the installed package."""
