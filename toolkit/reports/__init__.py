"""The one HTML report that every step writes, and its figures."""
