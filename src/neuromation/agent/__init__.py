"""What runs on a provider's machine: it calls out to a platform, runs leased tasks in a sandbox, and knows no database."""
