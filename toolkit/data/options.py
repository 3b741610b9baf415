"""Option bundles for commands that read data, and those of the cleaning stages: the only place of their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from typer import Option

from toolkit.config import GATE, Input


@dataclass(frozen=True, kw_only=True)
class ColumnOptions:
    """Which columns of a raw source play which part; found by name and type where not given."""

    text: Annotated[str | None, Option(help="Column with the text.", show_default="found")] = None
    text_pair: Annotated[
        str | None, Option(help="Column with the second text of a pair.", show_default="found, unless --text is given")
    ] = None
    label: Annotated[str | None, Option(help="Column with the label.", show_default="found")] = None


@dataclass(frozen=True, kw_only=True)
class ContentOptions(ColumnOptions):
    """The columns for commands that take images and rows of several classes too."""

    image: Annotated[str | None, Option(help="Column with images or their paths.", show_default="found")] = None
    label_separator: Annotated[
        str | None, Option(help="Rows may have several classes, written with this between them.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class DataOptions(ContentOptions):
    """The columns for commands that take series and tables too."""

    group: Annotated[str | None, Option(help="Column whose equal values stay on one side of a split.")] = None
    time: Annotated[str | None, Option(help="Column that orders the rows in time.")] = None


@dataclass(frozen=True, kw_only=True)
class MissingOptions:
    """Missing values."""

    max_missing: Annotated[float, Option(help="Drop columns with a larger share of gaps.", min=0.0, max=1.0)] = 0.3
    impute: Annotated[
        Literal["median", "mean", "interpolate", "iterative", "none"],
        Option(help="How gaps in numbers of tables are filled; categories take the commonest value."),
    ] = "median"
    imputations: Annotated[int, Option(help="Draws of --impute iterative, averaged.", min=1)] = 5
    missing_flags: Annotated[bool, Option(help="Add a column NAME_missing for each that was filled.")] = False


@dataclass(frozen=True, kw_only=True)
class QualityOptions:
    """Low quality."""

    min_length: Annotated[int, Option(help="Characters that a Latin text needs.", min=0)] = 10
    min_length_cjk: Annotated[int, Option(help="Characters that a Chinese text needs.", min=0)] = 4
    max_length: Annotated[int, Option(help="Characters that a text may have.", min=1)] = 20_000
    language: Annotated[Literal["any", "en", "zh"], Option(help="Reject texts of another language.")] = "any"
    rules: Annotated[str | None, Option(metavar="FILE", help="More rules, written as those of the package."),
                     Input("file")] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DuplicateOptions:
    """Duplicates and contradictions."""

    near: Annotated[
        Literal["minhash", "simhash"],
        Option(help="Near-duplicate texts: Jaccard similarity of character grams, or SimHash's Hamming distance."),
    ] = "minhash"
    contradictions: Annotated[
        Literal["majority", "drop", "flag"],
        Option(help="One text under several labels: the majority's rows stay, none stays, or all with a flag."),
    ] = "majority"
    near_contradictions: Annotated[
        Literal["flag", "majority", "drop", "off"],
        Option(help="The same for texts that are near, or with --model mean the same."),
    ] = "flag"
    same_meaning: Annotated[
        float, Option(help="Cosine of --model's embeddings from which two texts mean the same.", min=0.0, max=1.0)
    ] = 0.95


@dataclass(frozen=True, kw_only=True)
class DomainOptions:
    """Texts from outside the domain."""

    domain_reference: Annotated[
        str | None, Option(metavar="DATASET", help="Texts of the wanted domain: what stands out against them goes."),
        Input("dataset"),
    ] = None  # fmt: skip
    domain_terms: Annotated[
        str | None, Option(metavar="FILE", help="Terms from outside the domain, one a line."), Input("file")
    ] = None
    domain_share: Annotated[
        float,
        Option(help="Share of the evidence (weights of a text's terms) that must speak for outside.", min=0.0, max=1.0),
    ] = 0.3
    domain_action: Annotated[Literal["drop", "flag"], Option(help="What happens to such texts.")] = "drop"


@dataclass(frozen=True, kw_only=True)
class NoiseOptions:
    """Label noise."""

    label_noise: Annotated[
        Literal["off", "flag", "drop", "relabel"],
        Option(help="Labels that out-of-fold probabilities contradict (costs a training a fold)."),
    ] = "off"
    noise_folds: Annotated[int, Option(help="Folds of the out-of-fold probabilities.", min=2)] = 5


@dataclass(frozen=True, kw_only=True)
class OutlierOptions:
    """Outliers."""

    outliers: Annotated[
        Literal["off", "sigma", "mad", "forest"],
        Option(help="In numbers, text lengths, image statistics: 3 sigma, median deviation, isolation forest."),
    ] = "off"
    outlier_bound: Annotated[
        float | None, Option(help="The bound.", min=0.0, show_default="3 sigma, 3.5 deviations, the forest's own")
    ] = None
    outlier_action: Annotated[Literal["drop", "flag"], Option(help="What happens to outliers.")] = "drop"


@dataclass(frozen=True, kw_only=True)
class ScalingOptions:
    """Scaling of tables and series."""

    scale: Annotated[
        Literal["off", "robust", "standard", "minmax"], Option(help="Scale numbers; fitted on train alone.")
    ] = "off"
    scaler: Annotated[
        str | None, Option(metavar="ARTIFACT", help="Fill and scale as an earlier `clean` did, fitting nothing."),
        Input("dataset"),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AnnotationOptions:
    """Annotation quality."""

    raters: Annotated[list[str] | None, Option(help="Columns that hold a rater's labels each.")] = None
    votes: Annotated[list[str] | None, Option(help="Columns that count the votes for a class each.")] = None
    item: Annotated[str | None, Option(help="Long format: column of the item that was rated.")] = None
    rater: Annotated[str | None, Option(help="Long format: column of the rater.")] = None
    consensus: Annotated[Literal["majority", "dawid-skene"], Option(help="What several raters' labels become.")] = (
        "majority"
    )
    min_kappa: Annotated[
        float | None, Option(help="Gate on the raters' kappa (exit code 3).", min=-1.0, max=1.0), GATE
    ] = None
    min_agreement: Annotated[
        float | None, Option(help="Gate on the raters' agreement (exit code 3).", min=0.0, max=1.0), GATE
    ] = None
    audit: Annotated[float, Option(help="Share of the rows to draw for a person to check.", min=0.0, max=1.0)] = 0.0
    corrections: Annotated[
        str | None, Option(metavar="FILE", help="What came back from an audit: id and label."), Input("file")
    ] = None
