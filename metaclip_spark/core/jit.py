"""Compile functions over bytes and arrays to machine code, and cache the code.

numba takes half a second to import, so it is imported when a kernel is called first.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module, resources
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.machine import kind_of_processor, machine_lock, open_to_others

_LOCK = threading.RLock()
"""Held while a function is handed to numba, which two threads must not do at once."""


class _Lazy:
    """A function that is handed to numba at its first call, with the functions that it calls.

    Args:
        make: takes the function, and returns numba's object for calls from Python.
        make_inner: the same, for calls from kernels; None if one object is for both.
    """

    def __init__(
        self,
        make: Callable[[Any], Any],
        function: Callable[..., Any],
        make_inner: Callable[[Any], Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._make, self._make_inner, self._function = make, make_inner or make, function
        self._objects: dict[Callable[[Any], Any], Any] = {}

    def made(self) -> Any:
        """Return numba's object for calls from Python."""
        return self._made_by(self._make)

    def inner(self) -> Any:
        """Return numba's object for calls from kernels."""
        return self._made_by(self._make_inner)

    def _made_by(self, make: Callable[[Any], Any]) -> Any:
        if make not in self._objects:
            with _LOCK:
                if make not in self._objects:
                    self._objects[make] = make(self._with_inner())
        return self._objects[make]

    def _with_inner(self) -> FunctionType:
        """Return the function with numba's objects in the place of the lazy ones that it names.

        numba knows only its own. The function's module keeps the lazy ones, for calls from Python.
        """
        function: Any = self._function
        named = {name: function.__globals__.get(name) for name in _names_of(function.__code__)}
        inner = {name: one.inner() for name, one in named.items() if isinstance(one, _Lazy) and one is not self}
        for cell in function.__closure__ or ():
            if isinstance(cell.cell_contents, _Lazy):
                cell.cell_contents = cell.cell_contents.inner()
        made = FunctionType(
            function.__code__,
            {**function.__globals__, **inner},
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        functools.update_wrapper(made, function)
        return made

    def __call__(self, *arguments: Any) -> Any:
        return self.made()(*arguments)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.made(), name)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return _named, (self._function.__module__, self._function.__qualname__)


def _named(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def _names_of(code: CodeType) -> Iterator[str]:
    """Yield the names that a function looks up, its nested functions included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_of(constant)


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call. The compiled code runs without the interpreter's lock.

    The code is cached next to the package or in the user's cache folder, for all processes of a machine; where neither
    is writable, or other users can write to it, in a private temporary folder. Where that cannot be made either, every
    process compiles the function, which takes some seconds. A change of any kernel's module
    makes the cache obsolete. numba itself checks only the function's own file, but a kernel contains the kernels that
    it calls.
    """
    return _Lazy(_compiled, function, _inner)


def _compiled(function: Any) -> Any:
    numba: Any = import_module("numba")  # its types lack options that it has

    if not os.path.exists(function.__code__.co_filename) and not _cache_is_writable():
        return numba.njit(nogil=True)(function)
    try:
        compiled = _cached(numba, function)
        # numba compares this version before it reads the rest of a cached file.
        compiled._cache._cache_file._version += f" {_sources_digest()}"
        _ignore_literals(compiled)
        _compile_once(compiled)
        return compiled
    except (RuntimeError, AttributeError) as error:
        # There is no folder for the cache, or this version of numba caches in another way.
        warnings.warn(f"{function.__name__} is recompiled in every process: {error}", stacklevel=2)
        return numba.njit(nogil=True)(function)


def _cached(numba: Any, function: Any) -> Any:
    """Return a function that is compiled at its first call, and cached.

    Where numba finds no folder that is writable, or the one that it finds is open to other users, the cache is a
    private folder in the temporary one, so that a process compiles once for all later ones of this user. numba's files
    are pickles: who can write them can run code.

    Raises:
        RuntimeError: there is no folder for the cache.
    """
    # Kernels are called by name, from Python and from each other, never through a pointer: no wrapper for C.
    compile_ = numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)
    try:
        return _if_private(compile_(function))
    except RuntimeError:
        folder, given = private_folder(), numba.config.CACHE_DIR
        if folder is None or given == folder:
            raise
        if given and _is_private(Path(given)):
            with contextlib.suppress(OSError):
                _copy_missing(given, folder)
        numba.config.CACHE_DIR = folder
        try:
            return _if_private(compile_(function))
        except RuntimeError:
            numba.config.CACHE_DIR = given
            raise


def _if_private(compiled: Any) -> Any:
    """Return a function whose cache no other user can write; numba has not read it yet.

    Raises:
        RuntimeError: another user can write the cache.
    """
    if not _is_private(Path(compiled._cache.cache_path)):
        raise RuntimeError(f"{compiled._cache.cache_path} is open to other users")
    return compiled


@functools.cache
def _is_private(folder: Path) -> bool:
    """Return whether no other user can write to a folder of code; warn if one can."""
    why = open_to_others(folder)
    if why is not None:
        warnings.warn(
            f"{folder} is not used as a cache of compiled functions: {why}. Code is loaded from there, so no other "
            "user may write to it. Change its permissions, or set NUMBA_CACHE_DIR to another folder.",
            stacklevel=2,
        )
    return why is None


def _copy_missing(source: str, target: str) -> None:
    """Copy the caches of modules that are below a read-only folder, as an image has one, to the private folder."""
    for folder in Path(source).iterdir():
        if folder.is_dir() and _is_private(folder):
            os.makedirs(os.path.join(target, folder.name), exist_ok=True)
            for file in folder.iterdir():
                copy = os.path.join(target, folder.name, file.name)
                if file.suffix in (".nbi", ".nbc") and not os.path.exists(copy):
                    shutil.copyfile(file, f"{copy}.{os.getpid()}")
                    os.replace(f"{copy}.{os.getpid()}", copy)


def cache_folders() -> Iterator[Path]:
    """Yield the folders in which this machine keeps what it made once, such as tables of models; some may be read-only.

    They are `NUMBA_CACHE_DIR`, if it is set. Otherwise: `__pycache__` of the package, which travels with an image or
    an archive; the user's cache folder. A private folder in the temporary one is the last. A folder that other users
    can write to is left out: kernels trust what they read there.
    """
    package = Path(__file__).resolve().parents[1]
    found: list[Path] = []
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        found.append(Path(given))
    else:
        if package.is_dir():  # the package may be in a zip
            found.append(package / "__pycache__")
        with contextlib.suppress(RuntimeError):
            found.append(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metaclip-spark")
    yield from filter(_is_private, found)
    if private := private_folder():  # made where the others have not what is sought
        yield Path(private)


def private_folder() -> str | None:
    """Return a folder for compiled code in the temporary one that only this user can write; None if there is none.

    Its name can be foreseen, and code is loaded from it. So a folder, or a link, that another user made is not used.
    """
    folder = os.path.join(tempfile.gettempdir(), f"metaclip-kernels-{os.getuid()}")
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        found = os.lstat(folder)
    except OSError:
        return None
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if mine else None


def _ignore_literals(compiled: Any) -> None:
    """Compile a kernel once per type of its arguments, not also for each constant that another kernel passes.

    LLVM inlines small kernels with their constants anyway. Without this, a third of the compilation is for versions of
    a kernel that differ only in a constant; many are never called.
    """
    unliteral = import_module("numba.core.types").unliteral
    template = compiled.get_call_template

    def call_template(args: Any, kws: Any) -> Any:
        return template(tuple(map(unliteral, args)), {name: unliteral(kind) for name, kind in kws.items()})

    compiled.get_call_template = call_template


def _compile_once(compiled: Any) -> None:
    """Let one process of the machine compile a kernel at a time: others wait, and take its code from the cache.

    So several workers that start together share the work with each other and with a `warmup` in the background.
    """
    lock = import_module("numba.core.compiler_lock").global_compiler_lock
    compile_, function = compiled.compile, compiled.py_func
    name = f"{function.__module__}.{function.__qualname__}"

    def compile_once(signature: Any) -> Any:
        with lock, machine_lock(Path(compiled._cache.cache_path), name), _no_collection():
            return compile_(signature)

    compiled.compile = compile_once


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Collect no garbage meanwhile.

    numba makes millions of objects that stay. To search them again and again takes a sixth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function a part of the kernels that call it; it cannot be called from Python.

    LLVM puts its code in the place of the call, with its constants. So a tuple of arrays, which a call would copy,
    costs nothing. Where constants show that reads and writes do not overlap, loops become vector instructions.
    """
    return _Lazy(_part, function)


def _part(function: Any) -> Any:
    return _inner(function, forceinline=True)


def _inner(function: Any, **options: bool) -> Any:
    """Return a function for calls from kernels: it is optimised where it is called, and has no code of its own."""
    numba: Any = import_module("numba")
    given = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": _inner_compiler(), **options}
    compiled = numba.njit(nogil=True, **given)(function)
    _ignore_literals(compiled)
    return compiled


@functools.cache
def _inner_compiler() -> Any:
    """Return numba's compiler, but for the last steps, which take half of the time.

    numba optimises each function and makes machine code of it, also where it is only called by others, which optimise
    it again as a part of them.
    """
    codegen, compiler = import_module("numba.core.codegen"), import_module("numba.core.compiler")
    registry = import_module("numba.core.registry")

    class Codegen:
        """The code generator of a library without code: what is told to its code is dropped."""

        def __init__(self, of: Any) -> None:
            self._of = of

        def set_env(self, *_: Any) -> None:
            """Do nothing: only the machine code of the function would have an environment."""

        def __getattr__(self, name: str) -> Any:
            return getattr(self._of, name)

    class Library(codegen.CPUCodeLibrary):  # type: ignore[name-defined, misc]
        """The instructions of a function, for those that call it."""

        @property
        def codegen(self) -> Codegen:
            return Codegen(self._codegen)

        def get_pointer_to_function(self, name: str) -> int:
            return 0

        def _optimize_final_module(self) -> None:
            pass

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._finalized = True

    class Compiler(compiler.Compiler):  # type: ignore[name-defined, misc]
        """numba's default compiler, into a `Library`."""

        def define_pipelines(self) -> Any:
            made_by = registry.cpu_target.target_context.codegen()
            self.state.library = Library(made_by, self.state.func_id.func_qualname)
            return super().define_pipelines()

    return Compiler


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that emits machine code an instruction of kernels."""
    return _Lazy(_extended, function)


def _extended(function: Any) -> Any:
    from numba.extending import intrinsic

    return intrinsic(function)


def mark_compiled(part: str) -> None:
    """Write down, for `is_compiled`, that the kernels of a part of the package are in the cache of this machine."""
    for folder in cache_folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _mark_of(part)).touch()
            return


def is_compiled(part: str) -> bool:
    """Return whether a process of this machine compiled the kernels of a part: these sources, for this processor."""
    return any((folder / _mark_of(part)).exists() for folder in cache_folders())


@functools.cache
def _mark_of(part: str) -> str:
    made_by = f"{sys.version} {version('numba')} {kind_of_processor()} {_sources_digest()}"
    return f"compiled-{part}-{hashlib.blake2b(made_by.encode(), digest_size=8).hexdigest()}"


@functools.cache
def _sources_digest() -> str:
    """Return a hash of the modules that have kernels, the same wherever the package is installed."""
    found: dict[str, bytes] = {}

    def walk(folder: Any, name: str) -> None:
        for item in folder.iterdir():
            if item.is_dir():
                walk(item, f"{name}/{item.name}")
            elif item.name.endswith(".py") and b"jit" in (source := item.read_bytes()):
                found[f"{name}/{item.name}"] = source

    walk(resources.files(__name__.partition(".")[0]), "")
    digest = hashlib.blake2b(digest_size=16)
    for name, source in sorted(found.items()):
        digest.update(f"{name}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()


@functools.cache
def _cache_is_writable() -> bool:
    """Return whether the user's cache folder is writable.

    numba checks this itself, but not for modules in a zip (--py-files). numba can cache the modules of a zip only in
    that folder, and without this check the first call would fail.
    """
    from numba.misc.appdirs import AppDirs

    dirs: Any = AppDirs  # numba is untyped
    folder = dirs(appname="numba", appauthor=False).user_cache_dir
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        warnings.warn(f"functions are recompiled in every process: {error}", stacklevel=3)
        return False
    return True


def bytes_of(data: Any) -> npt.NDArray[np.uint8]:
    """Return the bytes of a buffer for a kernel: uint8, shape (n,), read-only, without a copy.

    The array is read-only even where the buffer is writable. A writable array is another type to a kernel, and numba
    compiles a kernel once per type.
    """
    return np.frombuffer(memoryview(data).toreadonly(), np.uint8)


def buffers_of(strings: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the bytes and the offsets of a string array without nulls.

    Returns:
        uint8, shape (bytes,); and int32, shape (n + 1,): the start of each string, and the end of the last.
    """
    if strings.null_count:
        raise ValueError(f"expected no nulls, got {strings.null_count}")
    strings = strings.cast(pa.string())
    if not len(strings):
        return bytes_of(b""), bytes_of(bytes(4)).view(np.int32)
    _, offsets, data = strings.buffers()
    ends = bytes_of(offsets).view(np.int32)[strings.offset : strings.offset + len(strings) + 1]
    return bytes_of(data or b""), ends


@intrinsic
def load_word(context: Any, raw: Any, at: Any) -> Any:
    """Load eight bytes of a (n,) uint8 array as a little-endian uint64; `at + 8 <= n` is not checked."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        proxy: Any = cgutils.create_struct_proxy  # numba is untyped
        array = proxy(signature.args[0])(context, builder, values[0])
        address = builder.bitcast(builder.gep(array.data, [values[1]]), ir.IntType(64).as_pointer())
        return builder.load(address, align=1)

    return types.uint64(raw, types.int64), emit


@intrinsic
def count_trailing_zeros(context: Any, word: Any) -> Any:
    """Count the trailing zeros of a uint64: the position of its lowest set bit, 0 to 63; 64 for 0."""
    from llvmlite import ir
    from numba.core import types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), emit


@intrinsic
def count_ones(context: Any, word: Any) -> Any:
    """Count the bits of a uint64 that are set."""
    from numba.core import types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ctpop(values[0])

    return types.int64(types.uint64), emit


@intrinsic
def borrowed(context: Any, array: Any) -> Any:
    """Return an array without its reference count, for use within the call that got it.

    numba counts the references to an array at every call of a kernel by a kernel, and for every slice, by atomic
    instructions, which can take longer than the loop over a short string. The result is not counted.

    The array must be an argument of the kernel, which its caller keeps alive.
    """
    from numba.core import cgutils

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        utils: Any = cgutils  # numba is untyped
        view = utils.create_struct_proxy(signature.args[0])(context, builder, values[0])
        for name in ("meminfo", "parent"):
            setattr(view, name, utils.get_null_value(getattr(view, name).type))
        return view._getvalue()

    return array(array), emit


@intrinsic
def prefetch(context: Any, array: Any, at: Any) -> Any:
    """Prefetch an element of an array into the processor's cache, without waiting for it; return 0."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        proxy: Any = cgutils.create_struct_proxy  # numba is untyped
        data = proxy(signature.args[0])(context, builder, values[0]).data
        address = builder.bitcast(builder.gep(data, [values[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        read, keep, of_data = ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)
        builder.call(prefetch, [address, read, keep, of_data])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(array, types.int64), emit


@intrinsic
def array_at(context: Any, address: Any, size: Any, kind: Any) -> Any:
    """Return the read-only array of `size` numbers of a dtype at an address; the caller keeps the memory alive.

    So a kernel can take any number of arrays, as numbers. `address` and `size` are int64, `kind` is a numpy type.
    """
    from numba.core import types

    arrayobj: Any = import_module("numba.np.arrayobj")  # numba is untyped
    found = types.Array(kind.dtype, 1, "C", readonly=True)

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = arrayobj.make_array(found)(context, builder)
        width = context.get_constant(types.intp, kind.dtype.bitwidth // 8)
        data = builder.inttoptr(values[0], array.data.type)
        arrayobj.populate_array(array, data, [values[1]], [width], width, None)
        return array._getvalue()

    return found(types.int64, types.int64, kind), emit


@kernel
def copy_bytes(text: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8], to: int) -> int:
    """Copy bytes to `out[to:]`, front to back, and return the position after them.

    `text` may be a later part of `out` itself.
    """
    for char in text:
        out[to] = char
        to += 1
    return to
