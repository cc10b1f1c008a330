"""Answers to lines of text, without I/O: a message goes in, a list of lines comes out.

Times of day are UTC. What was not measured is `n/a`, never 0.
"""
