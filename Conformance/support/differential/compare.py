# SPDX-License-Identifier: Apache-2.0
"""Finds the first difference of two outcomes, and shrinks a case that has one."""

import copy


def comparable(case, outcome, strict):
    """What of an outcome two implementations must agree on.

    Details of a refusal (status, text) are policy, so they count only between two with wsproto's interface (`strict`).
    """
    events = []
    for event in outcome:
        if event[0] == "rejected" and not strict:
            event = ("rejected",)
        elif event[0] == "crash":
            event = ("crash", event[1].split(":")[0])
        events.append(event)
    return events


def survival_only(case):
    """Randomly flipped bytes inside an HTTP head: parsers differ in what they tolerate, but none may crash."""
    return "flip" in case


def difference(case, one, other, strict=False):
    """None, or (index, event of one, event of other); a missing event is None."""
    if survival_only(case):
        crashed = [next((event for event in outcome if event[0] == "crash"), None) for outcome in (one, other)]
        return (0, *crashed) if any(crashed) else None
    one, other = comparable(case, one, strict), comparable(case, other, strict)
    for index in range(max(len(one), len(other))):
        a = one[index] if index < len(one) else None
        b = other[index] if index < len(other) else None
        if a != b:
            return index, a, b
    return None


def simpler(case):
    """Cases that are one step simpler, boldest first."""
    def changed(**values):
        new = copy.deepcopy(case)
        new.update(values)
        return new

    if case["cuts"]:
        yield changed(cuts=[])
        half = len(case["cuts"]) // 2
        if half:
            yield changed(cuts=case["cuts"][:half])
            yield changed(cuts=case["cuts"][half:])
    if case["eof"]:
        yield changed(eof=False)
    if case["kind"] == "frames":
        if case["closing"]:
            yield changed(closing=False)
        if case["pmd"]:
            yield changed(pmd=None)
            for name, value in case["pmd"].items():
                plain = False if isinstance(value, bool) else 15
                if value != plain:
                    yield changed(pmd=dict(case["pmd"], **{name: plain}))
        data = case["data"]
        size = len(data) // 2
        while size:
            for start in range(0, len(data), size):
                yield changed(data=data[:start] + data[start + size :])
            size //= 2
        for place in range(min(len(data), 300)):
            if data[place]:
                yield changed(data=data[:place] + b"\x00" + data[place + 1 :])
    else:
        for name in ("fold", "interim", "cut_end", "flip", "body"):
            if name in case:
                new = copy.deepcopy(case)
                del new[name]
                yield new
        if case["trailing"]:
            yield changed(trailing=b"")
        for index in range(len(case["fields"])):
            yield changed(fields=case["fields"][:index] + case["fields"][index + 1 :])


def shrink(case, still_different, budget=4000):
    """The smallest case found on which `still_different` holds."""
    progress = True
    while progress and budget > 0:
        progress = False
        for candidate in simpler(case):
            budget -= 1
            if budget <= 0:
                break
            if still_different(candidate):
                case, progress = candidate, True
                break
    return case
