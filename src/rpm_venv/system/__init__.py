"""The edges: files, programs, the interpreter, rpm, and what the administrator set."""
