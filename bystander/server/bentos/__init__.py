"""The networks as BentoML services, and the same networks seen from another process.

One process serves each (`person_segmenter`, `face_embedder`) and looks at the frames of all
jobs in common batches; a job reaches them through `remote`, behind the protocols of
`bystander.models`, so that the pipeline can't tell them from networks of its own.
"""
