"""Why a run cannot go on with its teacher, and what the user can do about it."""

from __future__ import annotations

from collections.abc import Sequence

from vlit.data.errors import VlitError, nearest
from vlit.teacher.config import EndpointConfig
from vlit.teacher.wire import shown

_GO_ON = "what was answered is kept; run again to go on"


def wrong_key(endpoint: EndpointConfig, reason: str) -> VlitError:
    """401 or 403."""
    if endpoint.key is None:
        what = f"the server wants a key, and none is configured ({reason})"
        todo = "export the key in an environment variable and name that variable in `key:` of this endpoint"
    else:
        what = f"the server does not accept the key in the environment variable {endpoint.key} ({reason})"
        todo = f"correct {endpoint.key}, or give the key the right to use this model; {_GO_ON}"
    return VlitError(what, where=shown(endpoint.url), todo=todo)


def empty_account(endpoint: EndpointConfig, reason: str) -> VlitError:
    """402, or a quota that waiting does not fill."""
    return VlitError(
        f"the account is empty ({reason})",
        where=shown(endpoint.url),
        todo=f"add credit, or use another endpoint; {_GO_ON}",
    )


def unknown_model(endpoint: EndpointConfig, model: str, models: Sequence[str], reason: str) -> VlitError:
    """404 where the page is there."""
    todo = nearest(model, models) if models else "correct `teacher.model`"
    return VlitError(f"the server has no model {model!r} ({reason})", where=shown(endpoint.url), todo=todo)


def wrong_path(endpoint: EndpointConfig, reason: str) -> VlitError:
    """404 or a redirection where no chat completions are."""
    return VlitError(
        f"there are no chat completions at this URL ({reason})",
        where=shown(endpoint.url) + "/chat/completions",
        todo="correct `url:` of this endpoint: it ends with /v1 on most servers",
    )


def no_host(endpoint: EndpointConfig, reason: str) -> VlitError:
    """Nothing is found under this name, or it is not who it says it is."""
    return VlitError(
        f"the server cannot be reached: {reason}",
        where=shown(endpoint.url),
        todo="correct `url:` of this endpoint, or the network, the proxy or the certificates of this machine",
    )


def silent(endpoints: Sequence[EndpointConfig], seconds: float, reason: str) -> VlitError:
    """Nobody has answered for longer than a request may take."""
    who = "the server has" if len(endpoints) == 1 else f"all {len(endpoints)} servers have"
    return VlitError(
        f"{who} not answered for {seconds:,.0f} s; the last thing that happened was: {reason}",
        where=", ".join(shown(endpoint.url) for endpoint in endpoints),
        todo=f"see why; {_GO_ON}",
    )


def forbidden_extra(names: Sequence[str]) -> VlitError:
    """Fields of ``teacher.extra`` that are set elsewhere."""
    return VlitError(
        f"{', '.join(names)} cannot be set here",
        where="teacher.extra",
        todo="remove it: messages, model, n and max_tokens come from the recipes, and replies are not streamed",
    )
