"""Everything that a person may change about how people are followed."""

from __future__ import annotations

from pydantic import Field

from bystander.config import Settings


class TrackingSettings(Settings):
    """How detections become tracks, and who owns a pixel."""

    confident: float = Field(
        0.4, ge=0, le=1, description="Detections from this score on are matched first."
    )
    new_track: float = Field(
        0.25,
        ge=0,
        le=1,
        description="An unmatched detection from this score on is a person not seen before.",
    )
    whole_person: float = Field(
        0.65,
        ge=0,
        le=1,
        description="A detection from this score on is a person even where it lies within "
        "somebody else.",
    )
    part: float = Field(
        0.7,
        ge=0,
        le=1,
        description="A detection of which this share lies where somebody was a moment ago is a "
        "part of them.",
    )
    colour_weight: float = Field(
        15.0,
        ge=0,
        description="Log-likelihood for each unit of colour similarity (Bhattacharyya): the same "
        "person's was 0.94 +- 0.05 in two clips, other people's 0.6 to 0.8.",
    )
    new_log_likelihood: float = Field(
        -3.5, description="Of a confident detection being somebody new."
    )
    weak_log_likelihood: float = Field(
        -2.0, description="What a weak detection needs to be somebody known."
    )
    heading_weight: float = Field(
        1.5,
        ge=0,
        description="Log-likelihood against a detection far from where somebody was heading, if "
        "somebody else may be meant.",
    )
    hidden_log_likelihood: float = Field(
        -1.5, description="Of somebody hidden to come out just where they were last seen."
    )
    reach: float = Field(
        1.0,
        ge=0,
        description="How far away somebody hidden may come out, in their heights: half of it at "
        "once, as much again for every second.",
    )
    swap_margin: float = Field(
        2.0,
        ge=0,
        description="Two people in contact may have been swapped if swapping them would cost "
        "less log-likelihood.",
    )
    max_gap: float = Field(
        1.0, ge=0, le=10, description="Seconds of a gap between detections that is filled."
    )
    lost_seconds: float = Field(
        3.0, ge=0, description="Seconds that somebody lost in the open is waited for."
    )
    hidden_seconds: float = Field(
        30.0, ge=0, description="Seconds that somebody is remembered behind somebody else."
    )
    ownership_memory: float = Field(
        0.6,
        ge=0,
        le=1,
        description="How much of a pixel's ownership lasts from frame to frame, of which there "
        "are 30 a second at most: faster ones count as shares of such a frame.",
    )
    flow_weight: float = Field(
        0.15, ge=0, description="Of log-odds by ownership a frame ago, for contested pixels."
    )
    detection_weight: float = Field(
        1.0, ge=0, description="Of being in the detection's silhouette, for contested pixels."
    )
    memory_weight: float = Field(
        5.5, ge=0, description="Of the distance to remembered pixels, for contested pixels."
    )
    motion_weight: float = Field(
        1.5,
        ge=0,
        description="Of how otherwise than somebody a pixel moves, for contested pixels.",
    )
    emerging_log_likelihood: float = Field(
        -1.2,
        description="Of somebody hidden for pixels that are new in somebody else's silhouette "
        "near them.",
    )
    shared_margin: float = Field(
        0.1,
        ge=0,
        description="A contested pixel is both people's if they differ by less log-likelihood.",
    )
    carried_distance: float = Field(
        0.6,
        ge=0,
        description="Pixels that the network has just lost of somebody stay theirs if they are "
        "no farther from remembered ones.",
    )
    fading: float = Field(
        0.95,
        gt=0,
        le=1,
        description="What is left of ownership from frame to frame, as above, in the open, where "
        "nobody is detected any more ...",
    )
    contested_fading: float = Field(
        0.8,
        gt=0,
        le=1,
        description="... and where others are, who are detected.",
    )


class KeyframeSettings(Settings):
    """Which frames the person segmenter looks at."""

    seconds: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Longest time between two frames that the network looks at; 0 looks at every "
        "frame",
    )
    lone_score: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Somebody found on one side only, from this score on, is looked for between; "
        "the fainter ones flicker, and are carried along",
    )
    score: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Silhouettes of people from this score on must agree",
    )
    tolerance: int = Field(
        default=2,
        ge=0,
        le=16,
        description="Grid pixels by which the silhouettes of both sides may differ ...",
    )
    agreement: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="... for at least this share of each of them; 0 takes both together as they "
        "are",
    )
