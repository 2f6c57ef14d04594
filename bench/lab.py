"""What a case gets to work with: a model, a folder, sizes, and servers on request."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from bench.process import Running, make_key, server
from bench.profile import profiled
from bench.scale import Scale


@dataclass(frozen=True)
class Lab:
    """One invocation's surroundings."""

    scale: Scale
    model: Running
    folder: Path
    profile: bool = False

    def data_folder(self) -> Path:
        """Return a folder that no server has used."""
        return Path(mkdtemp(dir=self.folder))

    @contextmanager
    def fresh_server(self, cores: set[int] | None = None) -> Iterator[Running]:
        """Run a server on an empty data folder."""
        data = self.data_folder()
        with self.server(data, make_key(data), cores) as running:
            yield running

    @contextmanager
    def server(self, data: Path, key: str, cores: set[int] | None = None) -> Iterator[Running]:
        """Run a server on a data folder that exists."""
        started = server(data, key, self.model.target.port, cores=cores)
        with started as running, self.watched(running.pid):
            yield running

    def watched(self, pid: int, name: str = "server") -> AbstractContextManager[None]:
        """Rank the functions of a process while the block runs, if profiles are wanted."""
        return profiled(pid, self.folder, name) if self.profile else nullcontext()
