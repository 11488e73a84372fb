"""What the console says in Danish."""
