"""Import the functions that a user names as "package:function", with a separate error for each cause of failure."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from metaclip_spark.errors import ConfigError


def load_named(name: str, what: str) -> tuple[ModuleType, Callable[..., Any]]:
    """Import "package:function".

    Args:
        name: the name as the user wrote it; the function may be an attribute of an attribute ("package:Class.method").
        what: the use of the function, which the errors name ("filter", "identifier").

    Returns:
        The module and the function.

    Raises:
        ConfigError: the name has another form, the module cannot be imported, or it has no such callable.
    """
    module_name, _, path = name.partition(":")
    if not (_is_dotted(module_name) and _is_dotted(path)):
        raise ConfigError(f"{what} must be named package:function, got {name!r}.")
    module = _import(module_name, name, what)
    function: object = module
    for part in path.split("."):
        try:
            function = getattr(function, part)
        except AttributeError:
            raise ConfigError(f"{what} {name}: module {module_name} has no {path!r}.") from None
    if not callable(function):
        raise ConfigError(f"{what} {name}: {path} is {type(function).__name__}; expected a function.")
    return module, function


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _import(module_name: str, name: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name + ".").startswith(error.name + "."):
            raise ConfigError(
                f"{what} {name}: there is no module {error.name!r}. Install it, or put its folder on PYTHONPATH "
                "(on a cluster: --py-files)."
            ) from None
        raise ConfigError(f"{what} {name}: importing {module_name} needs {error.name!r}, which is missing.") from error
    except Exception as error:  # the module is the user's: any exception is possible
        raise ConfigError(f"{what} {name}: importing {module_name} raised {type(error).__name__}: {error}") from error
