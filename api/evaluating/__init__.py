"""What a shop can find out about its own suggestions, from its own store."""
