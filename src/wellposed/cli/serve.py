"""`wellposed serve`: pages of many runs, for this machine, live while a run goes on."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.cli.options import read_options
from wellposed.engine.storage.runfolder import RUNS
from wellposed.errors import RunError
from wellposed.report.serving.server import RunServer

PORT = 8765


@dataclass
class Serve:
    """Show the runs below a folder in a browser; nothing can be changed from there."""

    runs: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="[FOLDER]")] = RUNS
    """Folder with runs in it or in its folders; or one run."""
    port: int = PORT
    """Port to answer at; 0 takes a free one."""
    host: str = "127.0.0.1"
    """Address to answer at. Any other than the loopback shows the runs to the network."""


def serve(arguments: list[str]) -> int:
    """Serve until interrupted."""
    options = read_options(Serve, "wellposed serve", arguments)
    with open_server(options) as server:
        print(f"serving {options.runs} at {server.address} until Ctrl-C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def open_server(options: Serve) -> RunServer:
    """A server that listens. Raises RunError: no such folder, or no such address or port."""
    if not options.runs.is_dir():
        found = "is a file" if options.runs.exists() else "there is no such folder"
        raise RunError(f"{options.runs}: {found}. Pass the folder of the runs.")
    try:
        server = RunServer(options.runs, options.host, options.port)
    except (OSError, OverflowError) as error:
        raise RunError(
            f"cannot listen at {options.host}, port {options.port}: {str(error).rstrip('.')}. "
            "Pass another --port, or --port 0 for a free one."
        ) from error
    if not server.loopback:
        print(
            f"warning: {options.host} is not the loopback: whoever reaches this address sees "
            "recipes, scores and sounds of these runs, without a password.",
            file=sys.stderr,
        )
    return server
