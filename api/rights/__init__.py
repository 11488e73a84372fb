"""What a customer can ask of the shop about their own data: tokens, export, interests, status."""
