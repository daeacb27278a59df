"""Machines that strangers own: what they measured, whether they live, and how far their work is to be trusted."""
