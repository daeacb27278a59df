"""What customers ordered: quotes, jobs, their tasks and leases, and the events that tell the story."""
