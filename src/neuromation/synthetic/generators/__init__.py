"""Generators of no one domain; each module carries one, registered as an entry point of `neuromation.generators`."""
