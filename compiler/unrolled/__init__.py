"""Spiking networks that an exporter unrolled over their steps: recognised, rolled up, proved."""
