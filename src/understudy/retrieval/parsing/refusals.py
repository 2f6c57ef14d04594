"""Why a file is refused, in words for its owner (VS-08)."""

from understudy.retrieval.document import TOO_LARGE, UNSUPPORTED, Unreadable


def unsupported() -> Unreadable:
    """Return the refusal of a file whose content is of no supported kind."""
    return Unreadable("unsupported_file", UNSUPPORTED)


def too_large() -> Unreadable:
    """Return the refusal of a file beyond a limit."""
    return Unreadable("invalid_file", TOO_LARGE)


def encrypted() -> Unreadable:
    """Return the refusal of a file that opens only with a password."""
    return invalid("it is encrypted.")


def invalid(why: str, detail: str = "") -> Unreadable:
    """Return the refusal of a broken file; ``why`` ends the sentence."""
    return Unreadable("invalid_file", f"The file could not be parsed because {why}", detail)


def damaged() -> Unreadable:
    """Return the refusal of a file that its parser cannot make sense of."""
    return invalid("it is damaged or not what its name says.")
