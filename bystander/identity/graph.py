"""Segments, their links and the cast -> clusters, each one person.

Constrained agglomerative clustering: the two clusters that are most likely one person are
joined first, and so on, never two that were seen together. The likelihoods of two clusters
come from all of their segments (average linkage), so that likeness doesn't wear off from
link to link. A cast member is a node like any other: its link to a cluster is the rule by which
faces are recognised.

Two clusters are joined only with a margin against every *rival*: whoever is certainly another
than one of them and may be the other as well, and the unknown stranger whose ratio is 0.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.identity.cast import CastMember
from bystander.identity.segments import (
    BODY_LOG_RATIO,
    COLOUR_LOG_RATIO,
    FACE_LOG_RATIO,
    Continuity,
    FaceSample,
    Segment,
    departures,
    overlapping,
    seen_together,
)
from bystander.progress import Advance, part_of, unheard

ACROSS_CUTS_LOG_ODDS: Final = -2.0
"""Of two segments in different shots, before their looks are compared."""
WITHIN_SHOT_LOG_ODDS: Final = -4.0
"""The same within a shot, where no place and time links them: who leaves seldom comes back. It is
the less likely this one, the more people have left."""
RECOGNISED_LOG_ODDS: Final = 10.0
"""Of a cast member whose face was seen often enough: before any other link."""
MIN_NEWCOMER_PROBABILITY: Final = 0.02
"""Least probability that somebody not known has come to a place."""
TOGETHER_SHARE: Final = 0.55
"""What colours and body are worth each where both tell: they aren't independent."""
TOGETHER_TIME_SHARE: Final = 0.1
"""Of the time for comparing: to find who was seen together."""
BLOCK_SEGMENTS: Final = 256
"""Compared with all others at once."""
NEIGHBOURS_PER_SEGMENT: Final = 8
"""For each segment, the others most like it by face and by body that are compared with it."""

Recognise = Callable[[Sequence[FaceSample], CastMember], float | None]
"""The mean similarity of faces that suffice to recognise a cast member; None if they don't."""


@dataclass(slots=True, eq=False)
class Cluster:
    """Segments of one person.

    Attributes:
        members: their ids.
        start: first frame.
        others: ids of segments seen together with one of them.
        cast: the recognised cast member.
        faces: in the order of time.
    """

    members: list[int]
    start: int
    others: set[int]
    cast: CastMember | None = None
    faces: list[FaceSample] = field(default_factory=list)
    face: _Mean = field(default_factory=lambda: _Mean())
    body: _Mean = field(default_factory=lambda: _Mean())
    colours: dict[int, _Mean] = field(default_factory=dict)


@dataclass(slots=True)
class _Mean:
    """A running mean of vectors."""

    vector: NDArray[np.float32] | None = None
    weight: float = 0.0
    count: int = 0
    _length: float | None = field(default=None, init=False)

    def with_(self, other: _Mean) -> _Mean:
        if self.vector is None or other.vector is None:
            return other if self.vector is None else self
        weight = self.weight + other.weight
        vector = (self.vector * self.weight + other.vector * other.weight) / weight
        return _Mean(np.asarray(vector, np.float32), weight, self.count + other.count)

    def similarity(self, other: _Mean) -> float | None:
        """The mean product of all pairs."""
        if self.vector is None or other.vector is None:
            return None
        return float(self.vector.dot(other.vector))

    def cosine(self, other: _Mean) -> float | None:
        """Of the two means: what varies from picture to picture cancels out in them."""
        similarity = self.similarity(other)
        if similarity is None:
            return None
        return similarity / max(self.length * other.length, 1e-6)

    @property
    def length(self) -> float:
        """Of the vector."""
        if self._length is None:
            self._length = 0.0 if self.vector is None else float(np.linalg.norm(self.vector))
        return self._length


class IdentityGraph:
    """Clusters the segments of one video.

    Args:
        segments: with ids of their own.
        continuities: links by place and time, from the tracker.
        comebacks: the same from who was lost, each by itself.
        cast: the people to keep.
        recognise: the rule for faces.
        same, different: the face model's thresholds, cosine.
        fps: frames per second.
        across: whether body embeddings can be trusted over a cut.
        quality: from which two faces of the video can be compared.
        advance: told how much of the comparing is done.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        continuities: Iterable[Continuity],
        comebacks: Iterable[Continuity],
        cast: Sequence[CastMember],
        recognise: Recognise,
        *,
        same: float,
        different: float,
        fps: float,
        across: bool,
        quality: float,
        advance: Advance = unheard,
    ) -> None:
        self._recognise, self._across = recognise, across
        self._same, self._different = same, different
        self._clusters = {s.id: _single(s, quality) for s in segments}
        self._place: dict[int, dict[int, float]] = {s.id: {} for s in segments}
        self._known: dict[tuple[int, int], float | None] = {}
        self._edges: dict[int, dict[int, float]] = {s.id: {} for s in segments}
        self._next = max(self._clusters, default=0) + 1
        self._bodies, self._colours = BODY_LOG_RATIO, COLOUR_LOG_RATIO
        self._departures = departures(segments, fps)
        self._forbid(segments, fps, part_of(advance, 0, TOGETHER_TIME_SHARE))
        for member in cast:
            self._add_member(member)
        links: dict[tuple[int, int], float] = {}
        for link in comebacks:
            advance(TOGETHER_TIME_SHARE)
            pair = min(link.a, link.b), max(link.a, link.b)
            links[pair] = math.log(link.probability / (1 - link.probability))
        links |= log_odds(continuities, {s.id: s.track for s in segments})
        for (a, b), odds in links.items():
            self._place[a][b] = self._place[b][a] = odds
        advance = part_of(advance, TOGETHER_TIME_SHARE, 1)
        most = len(links) + 2 * NEIGHBOURS_PER_SEGMENT * len(segments)
        for number, (a, b) in enumerate(self._candidates(segments, links)):
            self._connect(a, b)
            advance(number / most)

    def join(self, margin: float, advance: Advance = unheard) -> list[Cluster]:
        """Join everything that is one person with this margin (a log-likelihood ratio).

        May be called again with a smaller one. `advance` is told how much has been joined of
        what there was: few are joined where there are many people.
        """
        begun_with = max(1, len(self._clusters))
        queue = [
            (-score, a, b)
            for a, near in self._edges.items()
            for b, score in near.items()
            if a < b and score > 0 and score >= margin
        ]
        heapq.heapify(queue)
        doubtful: dict[int, set[tuple[int, int]]] = {}  # pairs by a rival that stands against them
        while queue:
            negative, a, b = heapq.heappop(queue)
            score = -negative
            if self._edges.get(a, {}).get(b) != score:
                continue  # one of them was joined meanwhile
            rival = self._rival(a, b, score, margin)
            if rival is not None:
                doubtful.setdefault(rival, set()).add((a, b))
                continue
            joined = self._merge(a, b)
            advance(1 - len(self._clusters) / begun_with)
            for other, value in self._edges[joined].items():
                if value > 0 and value >= margin:
                    heapq.heappush(queue, (-value, other, joined))
            for pair in doubtful.pop(a, set()) | doubtful.pop(b, set()):
                again = self._edges.get(pair[0], {}).get(pair[1])
                if again is not None:
                    heapq.heappush(queue, (-again, *pair))
        advance(1)
        return list(self._clusters.values())

    def _forbid(self, segments: Sequence[Segment], fps: float, advance: Advance) -> None:
        """Note who was seen together, and how alike those people are."""
        bodies, colours = [], []
        frames = max((segment.end for segment in segments), default=1)
        for a, b in overlapping(segments):
            advance(b.start / frames)
            if not seen_together(a, b, fps):
                continue
            one, other = self._clusters[a.id], self._clusters[b.id]
            one.others.add(b.id)
            other.others.add(a.id)
            if (body := one.body.cosine(other.body)) is not None:
                bodies.append(body)
            likeness, looks = _colours(one, other)
            if looks:
                colours.append(likeness)
        self._bodies, self._colours = (
            BODY_LOG_RATIO.adapted(bodies),
            COLOUR_LOG_RATIO.adapted(colours),
        )

    def _add_member(self, member: CastMember) -> None:
        cluster = Cluster([], 0, set(), member)
        mean = member.references.mean(axis=0)
        cluster.face = _Mean(mean, float(len(member.references)), len(member.references))
        known = [i for i, c in self._clusters.items() if c.faces or c.cast]
        self._clusters[self._next] = cluster
        self._edges[self._next], self._place[self._next] = {}, {}
        self._next += 1
        for other in known:
            self._connect(other, self._next - 1)

    def _candidates(
        self, segments: Sequence[Segment], links: Iterable[tuple[int, int]]
    ) -> Iterable[tuple[int, int]]:
        """Pairs worth comparing: linked ones, and the most alike, in blocks of O(n) memory."""
        yield from links
        for kind in ("face", "body"):
            means = {s.id: getattr(self._clusters[s.id], kind).vector for s in segments}
            ids = [i for i, vector in means.items() if vector is not None]
            if len(ids) < 2:
                continue
            vectors = np.stack([means[i] for i in ids])
            count = min(NEIGHBOURS_PER_SEGMENT, len(ids) - 1)
            for start in range(0, len(ids), BLOCK_SEGMENTS):
                likeness = vectors[start : start + BLOCK_SEGMENTS] @ vectors.T
                for row, alike in enumerate(likeness, start):
                    alike[row] = -np.inf
                    for column in np.argpartition(-alike, count - 1)[:count]:
                        yield ids[row], ids[column]

    def _connect(self, a: int, b: int) -> None:
        score = self._score(a, b)
        if score is not None:
            self._edges[a][b] = self._edges[b][a] = score

    def _score(self, a: int, b: int) -> float | None:
        """Log-likelihood ratio of two clusters being one person; None if they can't be."""
        one, other = self._clusters[a], self._clusters[b]
        if self._conflict(one, other):
            return None
        if one.cast is not None or other.cast is not None:
            recognised = self._recognised(a, b)
            if recognised is not None:
                return RECOGNISED_LOG_ODDS + recognised
        if not one.members or not other.members:
            return -math.inf  # not recognised, yet
        place = self._place[a].get(b)
        if place is None:
            place = self._returns(one, other)
        return place + self._faces(one, other) + self._looks(one, other)

    def _returns(self, one: Cluster, other: Cluster) -> float:
        """Log-odds of two clusters being one person where no place and time links them."""
        shots = one.colours.keys() & other.colours.keys()
        if not shots:
            return ACROSS_CUTS_LOG_ODDS
        later = max(one.start, other.start)
        left = sum(bisect_left(self._departures[shot], later) for shot in shots)
        return WITHIN_SHOT_LOG_ODDS - math.log(max(1, left))

    def _faces(self, one: Cluster, other: Cluster) -> float:
        similarity = one.face.similarity(other.face)
        if similarity is None:
            return 0.0
        share = (similarity - self._different) / (self._same - self._different)
        return FACE_LOG_RATIO.at(share, min(one.face.count, other.face.count))

    def _looks(self, one: Cluster, other: Cluster) -> float:
        """By the clothes' colours and the body within a shot, by the body over a cut."""
        likeness, looks = _colours(one, other)
        told = [self._colours.at(likeness, looks)] if looks else []
        body = one.body.cosine(other.body) if self._across else None
        if body is not None:
            told.append(self._bodies.at(body, min(one.body.count, other.body.count)))
        return sum(told) * (TOGETHER_SHARE if len(told) > 1 else 1.0)

    def _recognised(self, a: int, b: int) -> float | None:
        """How surely the one is the cast member that the other is."""
        seen, known = (b, a) if self._clusters[a].cast is not None else (a, b)
        member, faces = self._clusters[known].cast, self._clusters[seen].faces
        if member is None or not faces:
            return None
        key = seen, id(member)  # a cluster never changes, whoever is joined with the member
        if key not in self._known:
            self._known[key] = self._recognise(faces, member)
        similarity = self._known[key]
        if similarity is None:
            return None
        return FACE_LOG_RATIO.slope * similarity / (self._same - self._different)

    def _conflict(self, one: Cluster, other: Cluster) -> bool:
        if one.cast is not None and other.cast is not None:
            return True
        few, many = one, other
        if len(one.members) > len(other.members):
            few, many = other, one
        return not many.others.isdisjoint(few.members)

    def _rival(self, a: int, b: int, score: float, margin: float) -> int | None:
        """Somebody who may be one of the two and isn't the other, within the margin; None if
        there is nobody.

        A look-alike whose face wasn't seen before may have the same face as well.
        """
        face = max(0.0, self._faces(self._clusters[a], self._clusters[b]))
        later = max(a, b, key=lambda i: self._clusters[i].start)
        for one, other in ((a, b), (b, a)):
            apart = self._clusters[other]
            for rival, likeness in self._edges[one].items():
                if rival == other or score - likeness - face >= margin:
                    continue
                somebody = self._clusters[rival]
                if not self._conflict(somebody, apart):
                    continue
                unseen = face > 0 and one == later and not somebody.face.count
                if unseen and self._looks(somebody, apart) > 0:
                    return rival
                if score - likeness < margin:
                    return rival
        return None

    def _merge(self, a: int, b: int) -> int:
        one, other = self._clusters.pop(a), self._clusters.pop(b)
        shots = one.colours.keys() | other.colours.keys()
        none = _Mean()
        joined = Cluster(
            one.members + other.members,
            min(one.start, other.start),
            one.others | other.others,
            one.cast or other.cast,
            list(heapq.merge(one.faces, other.faces, key=lambda face: face.frame)),
            one.face.with_(other.face),
            one.body.with_(other.body),
            {s: one.colours.get(s, none).with_(other.colours.get(s, none)) for s in shots},
        )
        new, self._next = self._next, self._next + 1
        self._clusters[new] = joined
        near = (self._edges.pop(a).keys() | self._edges.pop(b).keys()) - {a, b}
        self._edges[new], self._place[new] = {}, {}
        for old in (a, b):
            for neighbour, place in self._place.pop(old).items():
                self._place[neighbour].pop(old, None)
                if neighbour in near:
                    own = max(place, self._place[new].get(neighbour, place))
                    self._place[new][neighbour] = self._place[neighbour][new] = own
        for neighbour in near:
            edges = self._edges[neighbour]
            edges.pop(a, None)
            edges.pop(b, None)
            self._connect(neighbour, new)
        return new


def log_odds(
    links: Iterable[Continuity], track_of: Mapping[int, int]
) -> dict[tuple[int, int], float]:
    """How much likelier each linked pair is one person than the later one is somebody unknown.

    What the links to a segment leave to a probability of 1 is the unknown's, those from several
    segments of one track counting once.
    """
    known: dict[int, dict[int, float]] = {}
    for link in (all_links := list(links)):
        tracks = known.setdefault(link.b, {})
        track = track_of[link.a]
        tracks[track] = max(link.probability, tracks.get(track, 0.0))
    found: dict[tuple[int, int], float] = {}
    for link in all_links:
        if link.probability <= 0:
            continue
        unknown = max(1 - sum(known[link.b].values()), MIN_NEWCOMER_PROBABILITY)
        odds = math.log(link.probability / unknown)
        pair = min(link.a, link.b), max(link.a, link.b)
        found[pair] = max(odds, found.get(pair, odds))
    return found


def _single(segment: Segment, quality: float) -> Cluster:
    cluster = Cluster([segment.id], segment.start, set())
    cluster.faces = list(segment.faces)
    good = [face for face in segment.faces if face.quality >= quality]
    if good:
        weights = np.array([face.quality for face in good])
        vectors = np.stack([face.embedding for face in good])
        mean = np.average(vectors, axis=0, weights=weights).astype(np.float32)
        cluster.face = _Mean(mean, float(weights.sum()), len(good))
    if len(segment.bodies):
        cluster.body = _Mean(segment.bodies.mean(axis=0), len(segment.bodies), len(segment.bodies))
    if segment.colours is not None:
        cluster.colours[segment.shot] = _Mean(np.sqrt(segment.colours), segment.seen, segment.seen)
    return cluster


def _colours(one: Cluster, other: Cluster) -> tuple[float, int]:
    """The best Bhattacharyya coefficient in a shot that two clusters share, and of how many looks;
    0 looks where there is none."""
    few, many = one.colours, other.colours
    if len(few) > len(many):
        few, many = many, few
    best: tuple[float, int] | None = None
    for shot, mine in few.items():
        theirs = many.get(shot)
        if theirs is None or (likeness := mine.cosine(theirs)) is None:
            continue
        found = likeness, min(mine.count, theirs.count)
        best = found if best is None or found > best else best
    return best or (0.0, 0)
