"""How good a learner is: full rankings, published protocols, no sampled negatives."""
