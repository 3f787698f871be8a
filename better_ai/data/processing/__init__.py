"""Processing: documents turned into more documents, conversations and fill-in-the-middle examples."""
