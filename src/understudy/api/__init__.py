"""HTTP: routes, headers, pages and streams. A handler is parse, one operation, render."""
