"""Sweeps: an experiment at every point of a grid, as one labelled array; here, in other processes, or on a cluster.

``axes`` says what is swept, ``recipe`` what makes an experiment of a point, ``kept`` what is kept of its run; a
``plan`` holds the three.  ``work`` is what a worker does, ``places`` where workers are, ``batches`` what they get (by
its ``cost``), ``running`` the loop.  ``store`` is the folder of results, ``description`` its sweep.json, ``tiles`` its
chunks, ``growing`` more values in it, ``dataset`` the labels.
"""
