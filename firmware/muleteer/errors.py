# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole error tree: families by who must act.

PeerError
    Somebody sent what cannot be processed: set it aside, show it, go on with the rest.
CarrierError
    A carrier could not carry now: retry later.
SpoolError
    Our own disk failed: stop taking mail, light the red lamp.
ConfigError, UsageError
    The owner wrote what cannot be meant: refuse to start and say the line, or what to type instead.

House rules:

1. The first paragraph of a class's docstring is the sentence the user reads; it names the next step. ``{facts}`` in
   it are filled from the keyword arguments of ``raise``.
2. Every class has a stable ``exit_code``; the drop-in ``nncp-*`` commands flatten them all to 1, as their users expect.
3. An unplugged device is an event, never an error.
"""


class _Facts(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


class MuleteerError(Exception):
    """Muleteer could not do this: {problem}."""

    exit_code = 1

    def __init__(self, **facts: object) -> None:
        super().__init__()
        self.facts = facts

    def __str__(self) -> str:
        sentence = (type(self).__doc__ or "").split("\n\n", 1)[0]
        return " ".join(sentence.split()).format_map(_Facts(self.facts))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.facts)


def _rebuild(kind: type[MuleteerError], facts: dict[str, object]) -> MuleteerError:
    return kind(**facts)


# ---------------------------------------------------------------------------------------------- what a peer sent


class PeerError(MuleteerError):
    """A packet cannot be processed: {problem}. It is set aside; ask its sender."""

    exit_code = 10


class BadEncoding(PeerError):
    """Malformed data: {problem}. It is set aside; ask its sender to send it again."""

    exit_code = 11


class NotAPacket(PeerError):
    """This is not an NNCP packet: {problem}. Check where it came from."""

    exit_code = 12


class OldPacket(PeerError):
    """This packet has format version {version}, which NNCP 8 does not read: its sender must upgrade to NNCP 8."""

    exit_code = 13


class TruncatedPacket(PeerError):
    """The packet ends too early: {problem}. It was cut while being copied; ask its sender to send it again."""

    exit_code = 14


class WrongRecipient(PeerError):
    """The packet is for {recipient}, not for this node. Put it back where it came from."""

    exit_code = 15


class UnknownSender(PeerError):
    """The packet's sender {sender} is not a neighbour here. Add it to `neigh` in the configuration to take its mail."""

    exit_code = 16


class BadSignature(PeerError):
    """The packet's signature is not {sender}'s: forged, or its keys here are out of date. Compare keys with the sender."""

    exit_code = 17


class BadBlock(PeerError):
    """Block {block} of the packet fails its authentication: damaged or forged. Ask its sender to send it again."""

    exit_code = 18


class BadPadding(PeerError):
    """The packet's padding is wrong: {problem}. Damaged or forged; ask its sender to send it again."""

    exit_code = 19


class NameMismatch(PeerError):
    """The packet's content hashes to {actual}, not to its name {name}: damaged on the way. Ask its sender to send it again."""

    exit_code = 20


class UnsafeName(PeerError):
    """The name {name!r} is refused: {problem}. Ask its sender to choose another."""

    exit_code = 21


class UnknownType(PeerError):
    """Packet type {kind} is unknown here. It waits; a newer Muleteer may know it."""

    exit_code = 22


class FilesRefused(PeerError):
    """Files from {sender} are not accepted. Set `incoming` for it in the configuration to take them."""

    exit_code = 23


class FreqRefused(PeerError):
    """File requests from {sender} are not accepted. Set `freq.path` for it in the configuration to serve them."""

    exit_code = 24


class FreqMissing(PeerError):
    """{sender} requests {path!r}, which is not there. Put the file in place and the request is served at the next toss."""

    exit_code = 25


class UnknownHandle(PeerError):
    """{sender} calls the exec handle {handle!r}, which is not configured for it. Add it under `exec` to run it."""

    exit_code = 26


class HandleFailed(PeerError):
    """The exec handle {handle!r} failed: {problem}. The packet is kept and tried again; its output is with it."""

    exit_code = 27


class UnknownNextHop(PeerError):
    """The packet is to be relayed to {node}, which is not a neighbour here. Add it to `neigh` to relay."""

    exit_code = 28


class NotYetHandled(PeerError):
    """{feature} is not yet supported by this version. The packet waits for a newer Muleteer."""

    exit_code = 29


class DeliveryFailed(PeerError):
    """{name} from {sender} could not be put in its place: {problem}. Make room or correct `incoming`; it is tried again."""

    exit_code = 70


class BadGreeting(PeerError):
    """The first message of the call was not meant for us: {problem}. Compare `noisepub` on both sides."""

    exit_code = 71


class ReplayedGreeting(BadGreeting):
    """The first message of the call came before: somebody recorded it and sent it again. It was turned away."""

    exit_code = 73


class BadFrame(PeerError):
    """The other end of the call sent what cannot be understood: {problem}. The call was ended, what came whole is kept."""

    exit_code = 72


# ---------------------------------------------------------------------------------------------- carriers


class CarrierError(MuleteerError):
    """The carrier {carrier} could not carry: {problem}. It is tried again later."""

    exit_code = 30


class RunnerReadOnly(CarrierError):
    """Runner {runner} is read-only: packets were taken, none could be left. Slide its lock or try another stick."""

    exit_code = 31


class RunnerGone(CarrierError):
    """Runner {runner} was pulled in the middle of its round. Nothing is lost: put it back and the round completes."""

    exit_code = 32


class RunnerFailed(CarrierError):
    """Runner {runner} failed: {problem}. Try it again; if that repeats, retire the stick."""

    exit_code = 33


class MountRefused(CarrierError):
    """{device} was not mounted: {problem}."""

    exit_code = 34


class StillMounted(CarrierError):
    """{device} is still mounted: {problem}. Do not pull it: wait for its lamp, or power the box off first."""

    exit_code = 35


class LinkFailed(CarrierError):
    """No connection to {address}: {problem}. Check the address and the line; it is tried again later."""

    exit_code = 36


class CannotListen(LinkFailed):
    """Cannot listen at {address}: {problem}. Another program may listen there already, or the address is not ours."""

    exit_code = 37


# ---------------------------------------------------------------------------------------------- our own disk


class SpoolError(MuleteerError):
    """The spool {path} failed: {problem}. No mail is taken until it works again."""

    exit_code = 40


class SpoolMissing(SpoolError):
    """Cannot stat spool {path}: {problem}. Create the directory or correct `spool` in the configuration."""

    exit_code = 41


class SpoolFull(SpoolError):
    """No room in {path}: {needed} bytes needed, {free} free. Make room and try again."""

    exit_code = 42


class SpoolLocked(SpoolError):
    """{lock} is held by another process (pid unknown): it is at work on this node. Try again when it is done."""

    exit_code = 43


class LogError(SpoolError):
    """The log {path} cannot be written: {problem}; the mail goes on. Correct `log` in the configuration, or make room."""

    exit_code = 44


# ---------------------------------------------------------------------------------------------- the owner


class ConfigError(MuleteerError):
    """{where}: {problem}. {remedy}"""

    exit_code = 50


class ConfigErrors(ConfigError):
    """{complaints}

    Several at once, one per line: each says where, what is wrong and what would be right.
    """

    exit_code = 51


class UsageError(MuleteerError):
    """{problem}"""

    exit_code = 1


class NotYetSupported(UsageError):
    """{feature} is not yet supported by this version of Muleteer; use the Go NNCP for it meanwhile."""

    exit_code = 1


class BadCron(UsageError):
    """{text!r} is no cron expression: {problem}. Write minute, hour, day, month, weekday, like "*/10 * * * *"."""

    exit_code = 1


class PacketTooBig(UsageError):
    """The packet would have {size} bytes, above the limit of {limit}. Raise -maxsize or send less."""

    exit_code = 1


# ---------------------------------------------------------------------------------------------- asking the agent


class AgentUnreachable(UsageError):
    """No agent answers at {path}: {problem}. Start one with `muleteer agent`, or check `socket` in muleteer.toml."""

    exit_code = 60


class AgentRefused(UsageError):
    """{problem}"""

    exit_code = 61


class AgentRunning(UsageError):
    """Another agent holds {lock} and serves {path}. Stop it first, or give this one another `socket`."""

    exit_code = 62


class CallRefused(UsageError):
    """{neighbour} is not called: {problem}. `muleteer status` shows its lines and their limits."""

    exit_code = 67


class UnknownPacket(UsageError):
    """No packet here is called {packet!r}. `muleteer status` and `nncp-stat -pkt` list those that are."""

    exit_code = 63


class AmbiguousPacket(UsageError):
    """{count} packets here begin with {packet!r}: {names}. Give some more letters of the name."""

    exit_code = 64


# ---------------------------------------------------------------------------------------------- the panel


class PanelPartFailed(MuleteerError):
    """The panel's {part} cannot be used: {problem}. {remedy}. Mail is not affected; the panel goes on without."""

    exit_code = 80


class DemoFailed(MuleteerError):
    """The demonstration stopped: {box} did not {step}. Its last words: {log}"""

    exit_code = 66
