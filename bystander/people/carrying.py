"""Spreading verdicts by looks: from recognised stretches to others of the same person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bystander.people.cases import Case, IdentitySettings, keeps
from bystander.people.vocabulary import Evidence, EvidenceKind


class Carrier:
    """Carries verdicts within shots by clothes, and over cuts by body embeddings.

    Args:
        settings: how alike is alike enough.
        fps: frames per second.
        across: whether body embeddings can be trusted over a cut.
    """

    def __init__(self, settings: IdentitySettings, fps: float, across: bool) -> None:
        self._settings, self._fps, self._across = settings, fps, across

    def carry(self, cases: list[Case], evidence: dict[int, Evidence], strangers: set[int]) -> None:
        """Spread verdicts by looks, into `evidence`, which is by the id() of cases.

        Always compared with what was recognised, never with what was itself carried:
        likeness wears off.

        Args:
            strangers: cases, by id(), against whom a face speaks.
        """
        sources: dict[str, list[Case]] = {}
        for case in cases:
            found = evidence[id(case)]
            if keeps(found) and found.name:
                sources.setdefault(found.name, []).append(case)
        kept = {name: list(of) for name, of in sources.items()}
        self._carry_within_shots(cases, evidence, sources, kept, strangers)
        others = {
            name: strangers | {id(c) for c in cases if any(c.together(s) for s in of)}
            for name, of in sources.items()
        }
        for case in cases:
            if keeps(evidence[id(case)]) or id(case) in strangers:
                continue
            for name, of in sources.items():
                # Of one tracklet, clothes have told already: bodies are the weaker witness.
                if any(source.dossier is case.dossier for source in of):
                    continue
                if any(other.together(case) for other in kept[name]):
                    continue
                faces = [source for source in of if not source.stretch.clicks]
                carried = self._over_cut(case, faces, cases, others[name], name)
                if carried is not None:
                    evidence[id(case)] = carried
                    kept[name].append(case)
                    break

    def _carry_within_shots(
        self,
        cases: list[Case],
        evidence: dict[int, Evidence],
        sources: dict[str, list[Case]],
        kept: dict[str, list[Case]],
        strangers: set[int],
    ) -> None:
        """From stretch to stretch, as long as each begins where and when another ends."""
        for name, of in sources.items():
            for shot in {source.dossier.shot for source in of}:
                here = [case for case in cases if case.dossier.shot == shot]
                known = [source for source in of if source.dossier.shot == shot]
                grows = True
                while grows:
                    grows = False
                    for case in here:
                        if keeps(evidence[id(case)]) or id(case) in strangers:
                            continue
                        family = [c for c in kept[name] if c.dossier.shot == shot]
                        found = self._within_shot(case, known, family, here, name)
                        if found is not None:
                            evidence[id(case)] = found
                            kept[name].append(case)
                            grows = True

    def _within_shot(
        self,
        case: Case,
        sources: list[Case],
        family: list[Case],
        cases: list[Case],
        name: str,
    ) -> Evidence | None:
        """By the clothes: whether `case` goes on where one of `family` ended, or the reverse.

        Args:
            sources: recognised stretches of the shot, whose looks count.
            family: these, and all that was carried from them.
            cases: all stretches of the shot.
        """
        own = max(colours_alike(s.stretch.colours, case.stretch.colours) for s in sources)
        if own < self._settings.carry_colours:
            at_once = own >= self._settings.carry_at_once and any(map(case.hands_over, family))
            if not at_once:
                return None
        if not any(case.follows(one, self._settings, self._fps) for one in family):
            return None
        if any(case.another_than(one, self._fps) for one in family):
            return None
        # Not only at this doubt: who was swapped in at one may still be here after the next.
        so_far = (s for s in case.dossier.stretches if s.start <= case.stretch.start)
        swapped = set().union(*(stretch.rivals for stretch in so_far))
        for other in cases:
            if other is case or other in family:
                continue
            # Who is seen beside both is neither of them; who is seen beside the family and
            # not beside this one may be this one.
            suspect = not case.another_than(other, self._fps) and any(
                other.another_than(one, self._fps) for one in family
            )
            if other.dossier.id not in swapped and not suspect:
                continue
            alike = colours_alike(other.stretch.colours, case.stretch.colours)
            if own - alike < self._settings.carry_margin and 1 - own >= (1 - alike) / 2:
                return None
        return Evidence(
            EvidenceKind.BODY, name, round(own, 3), 0, f"same clothes as {name} a moment before"
        )

    def _over_cut(
        self,
        case: Case,
        sources: list[Case],
        cases: list[Case],
        others: set[int],
        name: str,
    ) -> Evidence | None:
        """Between tracklets: body embeddings, if nobody else looks like that."""
        recognised = [b for s in sources for b in s.stretch.bodies]
        if not self._across or not recognised or not case.stretch.bodies:
            return None
        own = bodies_alike(recognised, case.stretch.bodies)
        if own < self._settings.carry_body:
            return None
        source_ids = {s.dossier.id for s in sources}
        for other in cases:
            if other.dossier.id in source_ids or other.dossier.id == case.dossier.id:
                continue
            apart = id(other) in others or other.together(case)
            if apart and other.stretch.bodies:
                alike = max(
                    bodies_alike(recognised, other.stretch.bodies),
                    bodies_alike(other.stretch.bodies, case.stretch.bodies),
                )
                if own - alike < self._settings.carry_margin:
                    return None
        return Evidence(
            EvidenceKind.BODY, name, round(own, 3), 0, f"looks like {name}, recognised elsewhere"
        )


def colours_alike(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> float:
    return 0.0 if a is None or b is None else float(np.sqrt(a * b).sum())


def bodies_alike(a: list[NDArray[np.float32]], b: list[NDArray[np.float32]]) -> float:
    """Mean of each body's best match: robust to one bad crop."""
    similarity = np.stack(b) @ np.stack(a).T
    return float(similarity.max(axis=1).mean())
