# SPDX-License-Identifier: GPL-3.0-or-later
"""Place a call: one address after the other, until one handshake succeeds."""

from __future__ import annotations

from muleteer.carriers import tcp
from muleteer.carriers.address import parse_address, parse_proxy
from muleteer.carriers.stream import run
from muleteer.errors import MuleteerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from muleteer.carriers.address import Endpoint
    from muleteer.carriers.exchange import Exchange
    from muleteer.carriers.link import Link
    from muleteer.carriers.online import SessionReport
    from muleteer.carriers.stream import WakeFlag

CONNECT_SECONDS = 30.0
"""How long one address may take to be connected."""


def connect(
    address: str,
    *,
    seconds: float = CONNECT_SECONDS,
    interface: str | None = None,
    proxy: str | None = None,
    stop: WakeFlag | None = None,
    own_group: bool = True,
) -> Link:
    """Open a link to an address of any kind (see `carriers.address`).

    `interface` binds TCP connections to one interface (but those to a proxy on this machine); `proxy`
    (``socks5://host:port``) takes them through a proxy, unless the address names its own. `own_group` is for commands
    (`pipe.open_pipe`). Raises LinkFailed, UsageError.
    """
    where = parse_address(address)
    if where.endpoint is None:
        from muleteer.carriers.pipe import open_pipe

        return open_pipe(where.command, own_group=own_group)
    through = where.proxy or (parse_proxy(proxy) if proxy else None)
    if through is None:
        return tcp.dial(where.endpoint, seconds=seconds, interface=interface, stop=stop)
    from muleteer.carriers import socks

    if _is_here(through.endpoint):
        interface = None  # which way the proxy goes is its own affair
    return socks.dial(through, where.endpoint, seconds=seconds, interface=interface, stop=stop)


def _is_here(endpoint: Endpoint) -> bool:
    return endpoint.host in ("", "localhost", "::1") or endpoint.host.startswith("127.")


def place_call(
    addresses: Sequence[str],
    make_exchange: Callable[[], Exchange],
    *,
    seconds: float = CONNECT_SECONDS,
    interface: str | None = None,
    proxy: str | None = None,
    stop: WakeFlag | None = None,
    own_group: bool = True,
    began: Callable[[str], None] | None = None,
    failed: Callable[[str, MuleteerError | None], None] | None = None,
) -> SessionReport | None:
    """Try the addresses in turn until one session is established; return its report, or else the last one's.

    None: no address could be connected. `began(address)` is called once the other side has proven who it is;
    `failed(address, error)` for each address that led to no session: error is LinkFailed or UsageError if it could not
    even be connected, else what the session's report says. ``make_exchange()`` is called once per connection. What its
    opening raises (SpoolLocked, SpoolError) passes through: no other address would help.
    """
    report = None
    for address in addresses:
        if stop is not None and stop.is_set:
            break
        try:
            link = connect(address, seconds=seconds, interface=interface, proxy=proxy, stop=stop, own_group=own_group)
        except MuleteerError as error:
            if failed is not None:
                failed(address, error)
            continue
        report = run(link, make_exchange(), stop, began=_bound(began, address))
        if report.established:
            break
        if failed is not None:
            failed(address, report.error)
    return report


def _bound(began: Callable[[str], None] | None, address: str) -> Callable[[], None] | None:
    return None if began is None else lambda: began(address)
