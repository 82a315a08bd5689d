"""Segmentation methods: one `Method` in each file."""
