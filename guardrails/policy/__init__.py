"""What a shop may set, and the version every decision names."""
