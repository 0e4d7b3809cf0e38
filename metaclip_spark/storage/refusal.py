"""Tell refusals apart: credentials that have to be renewed, a server that is too busy, a network that fails."""

from __future__ import annotations

import re

from metaclip_spark.errors import CredentialsError

THROTTLED, NETWORK = "throttled", "network"
"""The kinds of failures that may pass by themselves."""

_CODES = frozenset(
    {
        *("AuthenticationFailed", "AuthFailure", "CredentialsNotSupported", "ExpiredToken", "ExpiredTokenException"),
        *("InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity", "InvalidToken", "MissingSecurityHeader"),
        *("NoAuthenticationInformation", "NotSignedUp", "RequestExpired", "RequestTimeTooSkewed"),
        *("SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException", "UserKeyMustBeSpecified"),
    }
)
"""Codes of object stores for credentials that no further attempt makes good."""
_CODE = re.compile(r"<Code>\s*(\w+)\s*</Code>")
_EXPIRED = re.compile(
    r"(request|token|signature|credentials?)( \w+){0,4} (has |have |is |are )?expired|not yet valid", re.I
)
_NOT_FETCHED = "could not be fetched: "
_BUSY = re.compile(
    r"status (403|429|503)\b|SlowDown|Slow Down|[Tt]hrottl|TooManyRequests|RequestLimitExceeded|ServiceUnavailable|"
    r"reduce your request rate|a refusal"
)


def refused(where: str, status: int | None = None, code: str = "", message: str = "") -> CredentialsError | None:
    """Return the error for a refusal that is due to the credentials; None for any other refusal.

    Args:
        where: the source, as it may be shown.
        status: the HTTP status, if it is known.
        code, message: what the server says.
    """
    is_expired = _EXPIRED.search(message) is not None
    if status != 401 and code not in _CODES and not is_expired:
        return None
    said = code if code in _CODES else message.strip()[:100] if is_expired else f"status {status}"
    return CredentialsError(
        f"{where} was refused for its credentials ({said}): they are missing, wrong or expired. Renew them, on the "
        "workers too, and run the same command again; no source was marked as failed"
    )


def of_page(page: bytes) -> tuple[str, str]:
    """Return the code and the text of a server's error page; the code is "" where it has none."""
    text = page.decode("utf-8", "replace")
    found = _CODE.search(text)
    return found[1] if found else "", re.sub(r"<[^>]*>", " ", text)


def transient_kind(reason: str) -> str | None:
    """Return the kind of a source's failure if it may pass by itself: THROTTLED or NETWORK; None for any other.

    Args:
        reason: of a source that is partial or failed, as the table `sources` has it.

    >>> transient_kind("http://a/b could not be fetched: got status 503 8 times; run again with --retry failed")
    'throttled'
    >>> transient_kind("not gzip: the first bytes are b'<h'") is None
    True
    """
    if _NOT_FETCHED not in reason:
        return None
    return THROTTLED if _BUSY.search(reason) else NETWORK
