"""Every error fairmem raises on purpose.

    FairmemError                    one clear line: what was found, what was expected, what to do
    ├── ConfigError (ValueError)    a recipe, an override or a command-line value is wrong
    ├── DataError (ValueError)      a data file is missing, unreadable or not of the expected schema
    ├── ModelError (RuntimeError)   a model folder or a tokenizer cannot be used
    ├── EndpointError (RuntimeError) an endpoint cannot be reached or answers nonsense before any work started
    ├── EngineError (RuntimeError)  a training engine outside this process failed; says where its own words are
    ├── CheckpointError (RuntimeError) a checkpoint or a trace is damaged or of another version
    ├── CreditError (ValueError)    arrays given to a credit rule do not fit its contract
    └── MissingExtraError (ImportError) an optional dependency is not installed; says the pip line

Three rules decide between raising and recording:

1. Bad *input from the user* (files, configs, arguments) raises one of these before work starts.
2. Bad *output of a model or an endpoint* during a run never raises out of an agent: it is a named
   outcome on the trace (`fairmem.trace.CallFailure`, `ParseOutcome`, `fairmem.memory.OpOutcome`).
3. Anything that escapes user code (a custom reward, a custom op) is classified at the boundary
   with `boundary()` and carries the original as its cause.

To add one: subclass the nearest class above, keep it picklable (one message argument), extend this tree.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class FairmemError(Exception):
    """Base of every error fairmem raises on purpose; its text is fit to be shown to a user as it is."""


class ConfigError(FairmemError, ValueError):
    """A recipe, an override or a command-line value is wrong."""


class DataError(FairmemError, ValueError):
    """A data file is missing, unreadable, or not of the schema the loader expects."""


class ModelError(FairmemError, RuntimeError):
    """A model folder or tokenizer cannot be used."""


class EndpointError(FairmemError, RuntimeError):
    """An endpoint cannot be reached, or cannot do what the run needs."""


class EngineError(FairmemError, RuntimeError):
    """A training engine that runs outside this process failed."""


class CheckpointError(FairmemError, RuntimeError):
    """A checkpoint or trace is damaged, incomplete or of another version."""


class CreditError(FairmemError, ValueError):
    """Arrays given to a credit rule have the wrong shape, type or content."""


class MissingExtraError(FairmemError, ImportError):
    """An optional dependency is missing; the message holds the pip line that installs it."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingExtraError:
        """The message for `package`, which `purpose` needs and which `extra` of fairmem installs."""
        install = f"pip install 'fairmem[{extra}]'"
        return cls(f"{purpose} needs the package '{package}', which is not installed; run: {install}")


@contextmanager
def boundary(error: type[FairmemError], what: str) -> Generator[None, None, None]:
    """Turn whatever escapes user code into `error`, saying `what` was being done.

    Errors of fairmem itself pass unchanged, as do KeyboardInterrupt and SystemExit.
    """
    try:
        yield
    except FairmemError:
        raise
    except Exception as cause:
        raise error(f"{what}: {type(cause).__name__}: {cause}") from cause
