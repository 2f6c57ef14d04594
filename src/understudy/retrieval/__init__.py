"""From files to passages: parsing, chunking, terms, and searching."""
