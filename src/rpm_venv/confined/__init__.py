"""What runs under an environment's interpreter: any CPython from 3.9, and no other library."""
