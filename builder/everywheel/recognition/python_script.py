"""Build scripts in Python, such as setup.py: calls and lists in their syntax tree; the scripts are not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from everywheel.recognition.evidence import Evidence, Kind, SourceText, format_tag, list_linked

_PKG_CONFIG_FUNCTION = re.compile(r"pkg_?config", re.IGNORECASE)
_PKG_CONFIG_PROGRAM = re.compile(r"(?:\S*/)?pkg-?conf(?:ig)?(?:\.exe)?")
_FIND_LIBRARY = re.compile(r"_?find_library(_file)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_DEEPEST = 20  # names that are assigned from names, and functions that return results of functions
_MOST_TEXTS = 50
_LISTS = ("append", "extend", "insert")
# A condition for the system's copy of a library instead of the project's own, such as USE_SYSTEM_BROTLI.
_CHOICE = re.compile(r"(?:use|using|with|link|prefer)[_-]?system", re.IGNORECASE)


def read_python_script(source: SourceText) -> list[Evidence]:
    """Return the evidence in a build script; raise SyntaxError for a text that is not Python 3."""
    try:
        tree = ast.parse(source.text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "nested too deeply") from None
    return list(_Script(source.name, tree).read())


def list_cffi_scripts(source: SourceText) -> list[str]:
    """Return the paths of the scripts in `cffi_modules` of a setup.py; none for a text that is not Python 3."""
    try:
        script = _Script(source.name, ast.parse(source.text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    keywords = [keyword for call in script.calls for keyword in call.keywords if keyword.arg == "cffi_modules"]
    return [text.partition(":")[0] for keyword in keywords for text, _ in script.list_texts(keyword.value)]


class _Script:
    """The syntax tree of a script: what is assigned to each name in any of its scopes, and what its functions return.

    A name that a loop assigns has the items of what the loop iterates over.
    """

    def __init__(self, file: str, tree: ast.Module) -> None:
        self._file = file
        self._nodes = list(ast.walk(tree))
        self.calls = [node for node in self._nodes if isinstance(node, ast.Call)]
        self._values: dict[str, list[ast.expr]] = {}
        self._items: dict[str, list[ast.expr]] = {}
        self._results: dict[str, list[ast.expr]] = {}
        self._choices = dict(_list_choices(self._nodes))
        for node in self._nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._values.setdefault(name, []).append(value)
                case ast.AugAssign(target=ast.Name(id=name), value=value):
                    self._values.setdefault(name, []).append(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._values.setdefault(name, []).append(value)
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if attr in _LISTS:
                    self._values.setdefault(name, []).extend(node.args)
                case (
                    ast.For(target=ast.Name(id=name), iter=items)
                    | ast.comprehension(target=ast.Name(id=name), iter=items)
                ):
                    self._items.setdefault(name, []).append(items)
                case ast.FunctionDef(name=name):
                    returns = [child.value for child in ast.walk(node) if isinstance(child, ast.Return)]
                    self._results.setdefault(name, []).extend(filter(None, returns))

    def list_texts(self, node: ast.expr, depth: int = 0) -> Iterator[tuple[str, int]]:
        """Yield the strings that a value may contain, each with its line; the conditions of a choice are not followed."""
        parts: list[ast.expr] = []
        match node:
            case ast.Constant(value=str(text)):
                yield text, node.lineno
            case ast.Tuple(elts=[ast.Constant(), ast.Dict()]):
                pass  # a library that setuptools builds from the project's own sources
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                parts = elements
            case ast.Starred(value=value):
                parts = [value]
            case ast.IfExp(body=body, orelse=orelse):
                parts = [body, orelse]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                if not self._is_list(node):
                    yield from self._join_texts(left, right, depth)
                    return
                parts = [left, right]
            case ast.BoolOp(values=values):
                parts = values
            case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted" | "set"), args=arguments):
                parts = arguments
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="split"), args=[]):
                yield from ((item, node.lineno) for item in text.split())
            case ast.Name(id=name) if depth < _DEEPEST:
                parts = [*self._values.get(name, []), *self._items.get(name, [])]
            case ast.Call(func=ast.Name(id=name)) if depth < _DEEPEST:
                parts = self._results.get(name, [])
        for part in parts:
            yield from self.list_texts(part, depth + isinstance(node, ast.Name | ast.Call))

    def _join_texts(self, left: ast.expr, right: ast.expr, depth: int) -> Iterator[tuple[str, int]]:
        """Yield the strings that the sum of two strings may be."""
        ends = list(islice(self.list_texts(right, depth), _MOST_TEXTS))
        for text, line in islice(self.list_texts(left, depth), _MOST_TEXTS):
            yield from ((text + end, line) for end, _ in ends)

    def _is_list(self, node: ast.expr, depth: int = 0) -> bool:
        match node:
            case ast.List() | ast.Tuple() | ast.Set() | ast.ListComp():
                return True
            case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted" | "set")):
                return True
            case ast.Call(func=ast.Name(id=name)) if depth < _DEEPEST:
                return any(self._is_list(value, depth + 1) for value in self._results.get(name, []))
            case ast.Call(func=ast.Attribute(attr="split")):
                return True
            case ast.BinOp(left=left, right=right) | ast.IfExp(body=left, orelse=right):
                return self._is_list(left, depth) or self._is_list(right, depth)
            case ast.BoolOp(values=values):
                return any(self._is_list(value, depth) for value in values)
            case ast.Name(id=name) if depth < _DEEPEST:
                return any(self._is_list(value, depth + 1) for value in self._values.get(name, []))
        return False

    def read(self) -> Iterator[Evidence]:
        """Yield the evidence in the script."""
        for node in self._nodes:
            match node:
                case ast.Call():
                    yield from self._read_call(node)
                case ast.Dict():
                    yield from self._read_dict(node)
                case ast.List(elts=[ast.Constant(value=str(program)), *_]) if _PKG_CONFIG_PROGRAM.fullmatch(program):
                    yield from self._find_packages(text for text in list(self.list_texts(node))[1:])
                case ast.Constant(value=str(text)):
                    program, *arguments = [*text.split(), ""]
                    if _PKG_CONFIG_PROGRAM.fullmatch(program) and arguments[0].startswith("--"):
                        yield from self._find_packages((argument, node.lineno) for argument in arguments)
                case ast.Assign(targets=[ast.Attribute(attr="libraries")], value=value):
                    yield from self._find_libraries(value)
                case ast.AugAssign(target=ast.Attribute(attr="libraries"), value=value):
                    yield from self._find_libraries(value)
                case ast.Tuple(elts=[ast.Constant(value="Py_LIMITED_API"), version]):
                    tag = "".join(format_tag(text) for text, _ in self.list_texts(version))
                    yield self._find(Kind.LIMITED_API, tag, node.lineno)
        yield from self._find_stable_abi()

    def _read_call(self, call: ast.Call) -> Iterator[Evidence]:
        function = call.func
        name = _last_name(function)
        keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        if _is_extension(name):
            modules = [keywords["name"]] if "name" in keywords else call.args[:1]
            texts = [text for module in modules for text in self.list_texts(module) if _MODULE.fullmatch(text[0])]
            yield self._find(Kind.MODULE, *(texts or [("…", call.lineno)])[0])
        elif name == "cythonize":
            for text, line in (text for argument in call.args[:1] for text in self.list_texts(argument)):
                if not text.startswith("-"):  # a flag that is appended to a list of the same name
                    yield self._find(Kind.MODULE, text, line)
        elif name in ("set_source", "set_source_pkgconfig"):
            yield from self._read_cffi(call, name)
        elif _FIND_LIBRARY.fullmatch(name):
            for text, line in (text for argument in call.args for text in self.list_texts(argument)):
                yield self._find(Kind.LIBRARY, text, line)
        elif isinstance(function, ast.Attribute) and _last_name(function.value) == "pkgconfig":
            packages = call.args[1:2] if name == "configure_extension" else call.args[:1]
            yield from self._find_packages(text for package in packages for text in self.list_texts(package))
        elif _PKG_CONFIG_FUNCTION.search(name):
            yield from self._find_packages(text for argument in call.args for text in self.list_texts(argument))
        elif name in _LISTS and isinstance(function, ast.Attribute) and _is_libraries_of_object(function.value):
            for argument in call.args:
                yield from self._find_libraries(argument)
        if "libraries" in keywords:
            yield from self._find_libraries(keywords["libraries"])
        for flag, line in self.list_texts(keywords.get("extra_link_args", ast.List(elts=[]))):
            for library in list_linked([flag]):
                yield self._find(Kind.LIBRARY, library, line)
        for text, line in self.list_texts(keywords.get("python_requires", ast.List(elts=[]))):
            yield self._find(Kind.REQUIRES_PYTHON, text, line)

    def _read_cffi(self, call: ast.Call, name: str) -> Iterator[Evidence]:
        """Yield the module of a call of `set_source`; one without C source is not compiled (ABI mode)."""
        if len(call.args) < 2 or (isinstance(call.args[1], ast.Constant) and call.args[1].value is None):
            return
        for text, line in self.list_texts(call.args[0]):
            yield self._find(Kind.MODULE, text, line)
        if name == "set_source_pkgconfig":
            yield from self._find_packages(self.list_texts(call.args[1]))

    def _read_dict(self, node: ast.Dict) -> Iterator[Evidence]:
        for key, value in zip(node.keys, node.values, strict=True):
            match key:
                case ast.Constant(value="libraries"):
                    yield from self._find_libraries(value)
                case ast.Constant(value="py_limited_api"):
                    for text, line in self.list_texts(value):
                        yield self._find(Kind.STABLE_ABI, format_tag(text), line)

    def _find_stable_abi(self) -> Iterator[Evidence]:
        """Yield the stable ABI if every extension of the script has `py_limited_api=True`."""
        extensions = [call for call in self.calls if _is_extension(_last_name(call.func))]
        if extensions and all(_uses_limited_api(call) for call in extensions):
            yield self._find(Kind.STABLE_ABI, "", extensions[0].lineno)

    def _find_libraries(self, value: ast.expr) -> Iterator[Evidence]:
        for text, line in self.list_texts(value):
            yield self._find(Kind.LIBRARY, text.removesuffix(".lib"), line)

    def _find_packages(self, texts: Iterator[tuple[str, int]]) -> Iterator[Evidence]:
        """Yield the names in arguments of pkg-config, without options and version requirements."""
        previous = ""
        for argument, line in ((argument, line) for text, line in texts for argument in text.split()):
            name = re.sub(r"[<>=!]+\d\S*$", "", argument)
            if _NAME.fullmatch(name) and not re.fullmatch(r"[<>=!]+", previous):
                yield self._find(Kind.PKG_CONFIG, name, line)
            previous = argument

    def _find(self, kind: Kind, name: str, line: int) -> Evidence:
        return Evidence(kind=kind, name=name, file=self._file, line=line, choice=self._choices.get(line, ""))


def _list_choices(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the lines that run only if the system's copy of a library is chosen, each with the condition."""
    for node in nodes:
        if isinstance(node, ast.If) and _CHOICE.search(condition := ast.unparse(node.test)):
            is_negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
            for statement in node.orelse if is_negated else node.body:
                lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
                yield from dict.fromkeys(lines, condition).items()


def _last_name(node: ast.expr) -> str:
    """Return `c` for `a.b.c`, and the empty text for what is not a name."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_extension(name: str) -> bool:
    return name.endswith("Extension") and not name.startswith("Rust")


def _is_libraries_of_object(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "libraries"


def _uses_limited_api(call: ast.Call) -> bool:
    return any(
        keyword.arg == "py_limited_api" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )
