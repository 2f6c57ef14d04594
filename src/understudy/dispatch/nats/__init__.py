"""Dispatch between processes, on NATS with JetStream (2.9 and newer).

What is told goes on plain subjects, and streams keep some of it:

- ``<prefix>.offers.<project>``: a work queue. A worker asks for an offer and acknowledges it when
  the claim is in the rows (``offers.py``).
- ``<prefix>.events.<run>``: what legs tell. Listeners hear it live on the subject; those who come
  late, or have missed something, read the stream (``listener.py``).
- ``<prefix>.control.…`` and ``<prefix>.taken.…``: orders to stop and other news of the moment,
  kept nowhere (``control.py``).

Nothing of this is needed for anything to be right. When NATS is away, the sweeper and the rows do
its work, only later.
"""

from understudy.dispatch.nats.dispatch import NatsDispatch
from understudy.dispatch.nats.streams import Keeping

__all__ = ["Keeping", "NatsDispatch"]
