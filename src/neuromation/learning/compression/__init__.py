"""Networks made smaller and faster: layers removed, channels pruned, the rest healed by a teacher, weights in 8 bits."""
