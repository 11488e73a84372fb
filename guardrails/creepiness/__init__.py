"""How intrusive a suggestion would be, as one number between 0 and 1."""
