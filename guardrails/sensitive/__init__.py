"""Which items say something about the person who looks at them."""
