"""A native rollout engine for world models: stepping, imagination and planning."""
