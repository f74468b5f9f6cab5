"""Synthetic crowds: people cut out of photos, pasted over streets, with exact silhouettes.

Who is half hidden behind others, or only a head between shoulders, is what a network
trained on COCO misses: annotators rarely drew them. Pasting instances is known to teach
a segmenter such scenes (Ghiasi et al. 2021, "Simple Copy-Paste").
"""
