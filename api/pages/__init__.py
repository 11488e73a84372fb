"""What all pages have in common: how they are written, who sees them, how forms come back."""
