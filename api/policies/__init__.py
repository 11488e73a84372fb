"""The policy at the edge: read from text, held against its model, written again, described to forms."""
