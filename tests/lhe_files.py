"""Les Houches files of e+ e- -> Z -> u ubar, with the weights that a test asks for."""

import math

#: what two generators write, an identifier that needs quoting, and a weight that says nothing of itself
INITRWGT = """<initrwgt>
<weightgroup name='scales' combine='envelope'>
<weight id='1001' MUR="0.5" MUF="1.0"> MUR=0.5 MUF=1.0 </weight>
<weight MUR="2.0" id="1002"></weight>
</weightgroup>
<weight id='a &lt; b'>x &amp; y</weight>
</initrwgt>"""


def rwgt(**values: object) -> str:
    """Return an event's weights: ``up``, ``down`` and ``odd`` are those of the header above, others as they are."""
    names = {"up": "1001", "down": "1002", "odd": "a &lt; b"}
    lines = [f"<wgt id='{names.get(name, name)}'> {value} </wgt>" for name, value in values.items()]
    return "\n".join(["<rwgt>", *lines, "</rwgt>"])


def lhe(*events: tuple[float | str, str], strategy: int = -4, initrwgt: str = INITRWGT) -> str:
    """Return a file of events with their own weights (XWGTUP) and what stands in them besides.

    Each event has a polar angle of its own, so that the quarks tell which one it is: ``cosine_of``.
    """
    lines = ['<LesHouchesEvents version="3.0">', "<header>", initrwgt, "</header>"]
    lines += ["<init>", f"11 -11 45.6 45.6 0 0 0 0 {strategy} 1", "4e4 1 1 1", "</init>"]
    for i, (own, rest) in enumerate(events):
        cosine = cosine_of(i, len(events))
        x, z = 45.6 * math.sqrt(1 - cosine**2), 45.6 * cosine
        lines += ["<event>", f"5 1 {own} 91.2 0.0078 0.118", "11 -1 0 0 0 0 0 0 45.6 45.6 0 0 9"]
        lines += ["-11 -1 0 0 0 0 0 0 -45.6 45.6 0 0 9", "23 2 1 2 0 0 0 0 0 91.2 91.2 0 9"]
        lines += [f"2 1 3 3 501 0 {x} 0 {z} 45.6 0 0 9", f"-2 1 3 3 0 501 {-x} 0 {-z} 45.6 0 0 9"]
        lines += [*rest.splitlines(), "</event>"]
    return "\n".join([*lines, "</LesHouchesEvents>", ""])


def cosine_of(event: int, n_events: int) -> float:
    """Return the cosine of the polar angle of the u quark in an event."""
    return -0.9 + 1.8 * event / n_events
