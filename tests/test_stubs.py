"""The hand-written stub and the built module say the same, in both directions."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from rollout import _native

STUB = Path(_native.__file__).parent / "_native.pyi"

# a part's parameters (None where it is not called), and whether someone wrote a docstring for it
Part = tuple[list[str] | None, bool]


def parameters(node: ast.FunctionDef) -> list[str]:
    """The parameter names in order; keyword-only ones carry a star, those with a default an `=`."""
    spec = node.args
    plain = [argument.arg for argument in spec.posonlyargs + spec.args]
    required = len(plain) - len(spec.defaults)
    names = [name + "=" * (index >= required) for index, name in enumerate(plain)]
    for argument, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        names.append("*" + argument.arg + "=" * (default is not None))
    return names


def of_stub(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Part]]:
    """Walk the stub; a name with one leading underscore is a type that only the stub has."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            property_like = any(
                (isinstance(mark, ast.Name) and mark.id == "property")
                or (isinstance(mark, ast.Attribute) and mark.attr == "setter")
                for mark in node.decorator_list
            )
            names = None if property_like else parameters(node)
            yield prefix + node.name, (names, ast.get_docstring(node) is not None)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield prefix + node.name, (None, ast.get_docstring(node) is not None)
            yield from of_stub(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id, (None, True)


def from_docstring(name: str, text: str) -> Part:
    """pybind11 opens a docstring with the signature; read the parameters from there."""
    signature, _, rest = text.partition("\n")
    assert not rest.startswith("Overloaded"), f"{name}: give one signature, not overloads"
    # types are for pybind11's reader; a default or a type that is no Python needs py::arg_v
    node = ast.parse(f"def {signature}: ...").body[0]
    assert isinstance(node, ast.FunctionDef)
    return parameters(node), bool(rest.strip())


def of_module(owner: ModuleType | type, prefix: str = "") -> Iterator[tuple[str, Part]]:
    """Walk the built module; of the dunders only __init__, __len__, __call__ and pickling count."""
    counted = {"__init__", "__len__", "__call__", "__getstate__", "__setstate__", "__getitem__"}
    for name, value in vars(owner).items():
        if name.startswith("_") and name not in counted:
            continue
        if isinstance(value, staticmethod):
            value = value.__func__
        path = prefix + name
        if isinstance(value, type):
            yield path, (None, bool((value.__doc__ or "").strip()))
            yield from of_module(value, path + ".")
        elif isinstance(value, property):
            yield path, (None, bool(value.__doc__))
        elif callable(value) and (inspect.isroutine(value) or hasattr(value, "__func__")):
            if name != "__init__" or (value.__doc__ or "").startswith("__init__("):
                yield path, from_docstring(path, value.__doc__ or "")
        else:
            yield path, (None, True)


TEXT = STUB.read_text()
IN_STUB = dict(of_stub(ast.parse(TEXT).body))
IN_MODULE = dict(of_module(_native))


def test_the_stub_names_all_that_the_module_has_and_no_more() -> None:
    assert sorted(IN_MODULE.keys() - IN_STUB.keys()) == [], "built, but not in rollout/_native.pyi"
    assert sorted(IN_STUB.keys() - IN_MODULE.keys()) == [], "in rollout/_native.pyi, but not built"


@pytest.mark.parametrize("name", sorted(IN_MODULE))
def test_parameters_and_docstrings_agree(name: str) -> None:
    stub, built = IN_STUB[name], IN_MODULE[name]
    if stub[0] is not None and built[0] is not None:
        assert stub[0] == built[0], f"{name}: the stub's parameters are not the module's"
    assert stub[1], f"{name}: no docstring in rollout/_native.pyi"
    assert built[1] or name.endswith(".__init__"), f"{name}: no docstring in the binding"
