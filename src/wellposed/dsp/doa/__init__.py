"""Classical estimators of places, batched over scenes: spectra on grids, roots, fits.

A grid quantises and its peaks cannot reach the bound; `fitting.fit` follows any of them.
"""
