"""The file format .wpc: codes of a codec on disk, checked, seekable and layered.

Its description, byte for byte, is docs/wpc-format.md. Nothing here knows a network: codes are
integers `(stages, frames)`.
"""
