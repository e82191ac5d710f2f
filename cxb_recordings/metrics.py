"""Prometheus metrics of recording services, fed by their signals. Needs the extra ``metrics`` (prometheus_client).

How they are exposed, and by which address, is the host's business.
"""

from __future__ import annotations

from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from . import signals
from .service import RecordingService

_FIRST_BYTE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_DURATION_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)


class RecordingMetrics:
    """The metrics of one registry; each service that is watched has its own ``registration`` label.

    ``cxb_recordings_requests_total`` {registration, route, status, source}, ``…_bytes_total`` {registration, route,
    source}, ``…_streams_total`` {registration, end}, ``…_streams_in_progress`` {registration}, ``…_resumes_total``
    and ``…_source_failures_total`` {registration, source}, ``…_source_up`` {registration, source},
    ``…_first_byte_seconds`` {registration, source}, ``…_duration_seconds`` {registration, route}.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Add the metrics to a registry, once for each.

        Raises:
            ValueError: the registry has them already; from prometheus_client.
        """
        prefix = "cxb_recordings_"

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(prefix + name, text, ("registration", *labels), registry=registry)

        self._requests = counter("requests", "Requests that were answered", "route", "status", "source")
        self._bytes = counter("bytes", "Bytes of recordings handed out", "route", "source")
        self._streams = counter("streams", "Streams by end: complete, left by the client, broken", "end")
        self._resumes = counter("resumes", "Streams that went on after a break", "source")
        self._failures = counter("source_failures", "Failures of a source, in a search or a stream", "source")
        # Over several processes: the streams of all that live, and a source is up only where it is for all.
        self._in_progress = Gauge(
            prefix + "streams_in_progress",
            "Streams that are going out",
            ("registration",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._up = Gauge(
            prefix + "source_up",
            "Whether a source can be reached, once it could not",
            ("registration", "source"),
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._first_byte = Histogram(
            prefix + "first_byte_seconds",
            "From the request to the first byte of a source",
            ("registration", "source"),
            registry=registry,
            buckets=_FIRST_BYTE_BUCKETS,
        )
        self._duration = Histogram(
            prefix + "duration_seconds",
            "From the request to the end of the stream",
            ("registration", "route"),
            registry=registry,
            buckets=_DURATION_BUCKETS,
        )

    def watch(self, service: RecordingService, registration: str = "cxb_recordings") -> None:
        """Count what `service` does from now on, under the label `registration`."""

        def connect(signal: Any, receive: Any) -> None:
            # Not weakly: the receiver lives as long as the service does.
            signal.connect(lambda _, event: receive(registration, event), service, weak=False)

        connect(signals.request_answered, self._answered)
        connect(signals.recording_started, lambda name, _: self._in_progress.labels(name).inc())
        connect(signals.recording_served, self._served)
        connect(signals.stream_resumed, lambda name, event: self._resumes.labels(name, event.source).inc())
        connect(signals.source_failed, self._failed)
        connect(signals.source_skipped, self._skipped)
        connect(signals.source_put_aside, lambda name, event: self._up.labels(name, event.source).set(0))
        connect(signals.source_back, lambda name, event: self._up.labels(name, event.source).set(1))

    def _answered(self, name: str, event: signals.RequestAnswered) -> None:
        self._requests.labels(name, event.route, event.status, event.source or "").inc()

    def _skipped(self, name: str, event: signals.SourceSkipped) -> None:
        if event.failed:
            self._failed(name, event)

    def _failed(self, name: str, event: signals.SourceSkipped | signals.SourceFailed) -> None:
        self._failures.labels(name, event.source).inc(exemplar=_exemplar(event))

    def _served(self, name: str, event: signals.RecordingServed) -> None:
        end = "complete" if event.complete else "broken" if event.broken else "left"
        self._in_progress.labels(name).dec()
        self._streams.labels(name, end).inc(exemplar=_exemplar(event))
        self._bytes.labels(name, event.listener.route, event.source).inc(event.delivered)
        self._first_byte.labels(name, event.source).observe(event.first_byte_seconds, _exemplar(event))
        self._duration.labels(name, event.listener.route).observe(event.seconds, _exemplar(event))


def _exemplar(event: signals.PlaybackEvent) -> dict[str, str]:
    return {"playback_id": event.playback_id}
