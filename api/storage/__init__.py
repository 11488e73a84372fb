"""api/storage."""
