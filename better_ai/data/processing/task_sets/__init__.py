"""The task sets that code is turned into: each a pure function of a function's text and a random generator."""
