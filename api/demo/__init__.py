"""The demo shop: Complete Journey as a shop's own data, from nothing to a served suggestion."""
