"""What the doctor says of a cluster's settings: what other machines could not see."""

from collections.abc import Iterator

from understudy.cli.finding import Finding, ok, warning
from understudy.settings import Settings, without_password


def check_cluster(settings: Settings) -> Iterator[Finding]:
    """Look whether what processes share is where all of them find it."""
    if settings.database_url is None:
        if settings.nats_url is not None:
            told = "There is NATS, but no database that others could share."
            yield warning("Cluster", told, "Set UNDERSTUDY_DATABASE_URL, or leave nats_url out.")
        return
    yield ok("Cluster", without_password(settings.database_url.get_secret_value()))
    if settings.nats_url is None:
        told = "There is no NATS: processes find each other's work once a second."
        yield warning("Cluster", told, "Set UNDERSTUDY_NATS_URL=nats://host:4222")
    if settings.files_url is None:
        told = f"Files lie in {settings.files_location}, where other machines do not see them."
        yield warning("Cluster", told, "Set UNDERSTUDY_FILES_URL=s3://bucket")
    if settings.sandbox == "own":
        told = "Each worker has sandboxes of its own: a thread may find its Python state gone."
        mend = "Run understudy sandbox serve, and set UNDERSTUDY_SANDBOX=remote and its runners."
        yield warning("Cluster", told, mend)
