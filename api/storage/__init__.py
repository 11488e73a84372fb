"""Tables, and one repository an aggregate: the only place that speaks SQL."""
