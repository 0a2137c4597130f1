"""The retry policy of everything that uses the network: downloads of sources and queries to image registries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The number and the timeouts of attempts, and the delays between them; all times are in seconds.

    The delay before the second attempt is `first_delay`; each further delay is `factor` times longer, up to `max_delay`.
    """

    attempts: int = 4
    first_delay: float = 0.5
    factor: float = 2.0
    max_delay: float = 30.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    @property
    def delays(self) -> tuple[float, ...]:
        """The delays between the attempts: one fewer than there are attempts."""
        return tuple(min(self.first_delay * self.factor**n, self.max_delay) for n in range(self.attempts - 1))
