"""Scenes as plain data: what stands where, made of what, lit how, seen by which camera. Knows no renderer."""
