"""Who does tasks: processes of this machine, or a Ray cluster.

Light on purpose: the child imports this package before anything confines it.
"""
