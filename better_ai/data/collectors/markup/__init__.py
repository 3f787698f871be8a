"""From markup to text: prose as it reads, code in fences."""
