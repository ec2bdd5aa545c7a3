"""Well-posed training of speech systems.

The picture of the house; an arrow reads "is imported by", and none points back:

    dsp  <-  nn, losses, metrics, data  <-+
                                          +-  systems  <-  report, faults, cli
    guard  <-  engine                   <-+
    guard  <-  doctor                   <-  cli

`errors` and `intervals` (confidence intervals) may be imported by everybody but `guard`, which
needs torch and the standard library only.
This file imports nothing, so that `import wellposed.guard` brings nothing else of ours along.
`tests/test_layers.py` reads the imports and holds us to this.
"""

__version__ = "0.1.0"
