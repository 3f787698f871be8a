"""Better AI: the whole life of a coding language model, from source code to a model that writes tested code."""

__version__ = "0.1.0"
