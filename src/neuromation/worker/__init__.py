"""The same workflows, driven by time: steps that are due, auctions that close, leases that expire."""
