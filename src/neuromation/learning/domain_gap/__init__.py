"""Closing the gap between made and real samples: `style` without labels, `starts` from weights, `shots` with a few labels."""
