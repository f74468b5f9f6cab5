"""The networks as BentoML services; they are in `bystander.server.bentos`.

Here, each has the name that `bentoml serve bentos.person_segmenter` and other projects use.
"""
