"""Load the objects that the settings of extraction name: the language identifier, the blocklist, the filters, robots.

A wrong name is refused before any source is read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.config.languages import problem_of_languages
from metaclip_spark.config.settings import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.filters import Filters
from metaclip_spark.filters.blocklist import load_blocklist
from metaclip_spark.filters.hook import load_filter
from metaclip_spark.filters.pii import check_installed
from metaclip_spark.steps.optouts.stored import StoredRobots, stored_robots


@dataclass(frozen=True)
class Extraction:
    """The parameters of extraction, and the objects that the workers need besides them.

    Attributes:
        filters: None where no filter is used.
        identifier: name of the language identifier, which each worker loads itself; None: no language is identified.
        robots: the table of robots rules; None where none are applied.
    """

    options: ExtractOptions
    filters: Filters | None = None
    identifier: str | None = None
    robots: StoredRobots | None = None


def load_extraction(settings: Settings) -> Extraction:
    """Load the objects that the settings name.

    Raises:
        ConfigError: a package is missing, the blocklist or the table of robots rules cannot be read, a filter or the
            identifier cannot be imported, or a language is none of the identifier's `codes`.
    """
    if settings.pii is not None:
        check_installed()
    blocklist = load_blocklist(settings.blocklist) if settings.blocklist else None
    robots = stored_robots(settings.robots) if settings.robots else None
    hooks = [load_filter(name) for name in settings.filter]
    identifier = None if settings.no_lid else load_identifier(settings.lid)
    codes = getattr(identifier, "codes", None)
    if identifier is not None and isinstance(codes, Collection) and settings.lang_column is None:
        problem = problem_of_languages(settings, codes, identifier.name)
        if problem is not None:
            raise ConfigError(f"languages {problem} (--languages, --lid).")
    options = settings.extract_options(
        identifier=f"{identifier.name}:{identifier.version}" if identifier is not None else None,
        blocklist=blocklist.id if blocklist is not None else None,
        filters=tuple(hook.id for hook in hooks),
        robots=robots.id if robots is not None else None,
    )
    filters = Filters(options, blocklist, hooks)
    named = settings.lid if identifier is not None else None
    return Extraction(options, filters if filters.any else None, named, robots)
