"""Score, attribute, explain: evidence in, candidates with their exact reasons out."""
