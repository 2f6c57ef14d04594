"""A cluster on paper: a discrete-event simulation of arrivals, queues, commits and losses.

It knows nothing but what scenarios give it: costs that were measured, sizes that were chosen. What
it is for is the question that no bench on two cores can answer: what queues up first, and how long.
"""
