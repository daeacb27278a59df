"""From synthetic training data to real photos: one command a domain, `python -m benchmarks.sim_to_real DOMAIN`.

Each domain is one module that says how its data are made, which real set measures it, and which model and recipe it
uses; `domain.py` is the contract, `session.py` runs it, `__main__.py` prints the table.
"""
