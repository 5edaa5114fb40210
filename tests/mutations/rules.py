"""How a mutation changes a function: small rules over its syntax tree, which name what is called or compared there.

A place "uses" a name if the name, an attribute or a text of that name stands in it. A rule returns the new tree and how
many places it changed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from typing_extensions import override

N = TypeVar("N", bound=ast.AST)
Rule: TypeAlias = Callable[[ast.AST], "tuple[ast.AST, int]"]


def skip(name: str) -> Rule:
    """Leave out the statement that calls the name; of a `with` statement that uses it, keep the body."""

    class Skip(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt]:
            if isinstance(node, (ast.With, ast.AsyncWith)) and any(_uses(item, name) for item in node.items):
                self.changed += 1
                return node.body
            simple = isinstance(node, (ast.Expr, ast.Assign, ast.Raise))
            if simple and any(_calls(each, name) for each in ast.walk(node)):
                self.changed += 1
                return ast.Pass()
            return self.generic_visit(node)

    return Skip.rule()


def condition(name: str, becomes: str) -> Rule:
    """Replace the condition that uses the name, `{}` in it stands for the condition itself."""

    class Condition(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, (ast.If, ast.IfExp)) and _uses(node.test, name):
                node.test = self._changed(node.test)
            if isinstance(node, ast.comprehension):
                node.ifs = [self._changed(each) if _uses(each, name) else each for each in node.ifs]
            return self.generic_visit(node)

        def _changed(self, test: ast.expr) -> ast.expr:
            self.changed += 1
            return _expression(becomes.replace("{}", f"({ast.unparse(test)})"))

    return Condition.rule()


def never(name: str) -> Rule:
    """The condition that uses the name is false."""
    return condition(name, "False")


def always(name: str) -> Rule:
    """The condition that uses the name is true."""
    return condition(name, "True")


def without(name: str, *, beside: str | None = None) -> Rule:
    """Leave out the part of an `and` or `or` that uses the name; `beside` names what another part uses."""

    class Without(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            node = self.generic_visit(node)
            if not isinstance(node, ast.BoolOp) or (beside is not None and not _uses(node, beside)):
                return node
            left = [part for part in node.values if not _uses(part, name) or _has_operands(part)]
            if len(left) == len(node.values):
                return node
            self.changed += 1
            return left[0] if len(left) == 1 else ast.BoolOp(node.op, left)

    return Without.rule()


def call(name: str, by: str) -> Rule:
    """Replace each call of the name, awaited or not, by an expression."""

    class Call(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if _calls(node.value if isinstance(node, ast.Await) else node, name):
                self.changed += 1
                return _expression(by)
            return self.generic_visit(node)

    return Call.rule()


def argument(name: str, which: int | str, becomes: str) -> Rule:
    """Replace or add an argument, by position or keyword, in the call of the name."""

    class Argument(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.Call) and _calls(node, name):
                self.changed += 1
                if isinstance(which, int):
                    node.args[which] = _expression(becomes)
                else:
                    others = [each for each in node.keywords if each.arg != which]
                    node.keywords = [*others, ast.keyword(which, _expression(becomes))]
            return self.generic_visit(node)

    return Argument.rule()


def assign(name: str, becomes: str) -> Rule:
    """Replace what is assigned to the name."""

    class Assign(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.Assign) and any(_is_named(target, name) for target in node.targets):
                self.changed += 1
                node.value = _expression(becomes)
            return self.generic_visit(node)

    return Assign.rule()


def constant(name: str, becomes: str) -> Rule:
    """Replace a constant where it is used."""

    class Constant(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id == name:
                self.changed += 1
                return _expression(becomes)
            return self.generic_visit(node)

    return Constant.rule()


def item(text: str) -> Rule:
    """Leave a text out of a tuple."""

    class Item(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.Tuple):
                left = [each for each in node.elts if not (isinstance(each, ast.Constant) and each.value == text)]
                self.changed += len(node.elts) - len(left)
                node.elts = left
            return self.generic_visit(node)

    return Item.rule()


def relaxed(name: str) -> Rule:
    """Let the comparison with the name pass by one more."""

    class Relaxed(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.Compare) and _uses(node, name):
                self.changed += 1
                node.comparators[-1] = ast.BinOp(node.comparators[-1], ast.Add(), ast.Constant(1))
            return self.generic_visit(node)

    return Relaxed.rule()


def early(when: str, returns: str) -> Rule:
    """The function begins with a condition under which it returns at once."""

    def apply(node: ast.AST) -> tuple[ast.AST, int]:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return node, 0
        node.body[:0] = ast.parse(f"if {when}:\n    return {returns}").body if when else []
        return node, 1

    return apply


def handler(error: str, becomes: str) -> Rule:
    """Replace what is done about an error."""

    class Handler(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.ExceptHandler) and node.type is not None and _is_named(node.type, error):
                self.changed += 1
                node.body = _statements(becomes)
            return self.generic_visit(node)

    return Handler.rule()


def twice() -> Rule:
    """What the function awaits first is done once more if it ends in an error of the module's."""

    class Twice(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            simple = isinstance(node, (ast.Expr, ast.Return, ast.Assign)) and isinstance(node.value, ast.Await)
            if simple and not self.changed and isinstance(node, ast.stmt):
                self.changed += 1
                return ast.Try([node], [ast.ExceptHandler(ast.Name("BillingError"), None, [node])], [], [])
            return self.generic_visit(node)

    return Twice.rule()


def after(first: str, then: str) -> Rule:
    """The statement that calls `first` comes after the one that calls `then`."""

    class After(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            node = self.generic_visit(node)
            body = node.body if isinstance(node, _BLOCKS) else []
            early = next((each for each in body if _calls_within(each, first)), None)
            late = next((each for each in body if _calls_within(each, then)), None)
            if early is not None and late is not None and body.index(early) < body.index(late):
                self.changed += 1
                body.remove(early)
                body.insert(body.index(late) + 1, early)
            return node

    return After.rule()


def again(name: str) -> Rule:
    """In place of raising what the name tells, the function calls itself once more."""

    class Again(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt]:
            if isinstance(node, ast.AsyncFunctionDef):
                self._functions.append(node)
                result = self.generic_visit(node)
                self._functions.pop()
                return result
            if isinstance(node, ast.Raise) and node.exc is not None and _uses(node.exc, name):
                self.changed += 1
                function = self._functions[-1]
                arguments = ", ".join(each.arg for each in function.args.args if each.arg != "self")
                return [ast.Expr(node.exc), *_statements(f"return await self.{function.name}({arguments})")]
            return self.generic_visit(node)

        def __init__(self) -> None:
            super().__init__()
            self._functions: list[ast.AsyncFunctionDef] = []

    return Again.rule()


def sql(column: str) -> Rule:
    """Leave out the condition on a column from the WHERE of a statement; its placeholder stays."""
    pattern = re.compile(rf"AND {column} (?:=|<>|>) (\?|'\w+')")

    def kept(found: re.Match[str]) -> str:
        return "AND ? IS NOT NULL" if found[1] == "?" else ""

    return sql_text(pattern, kept)


def sql_text(old: str | re.Pattern[str], new: str | Callable[[re.Match[str]], str]) -> Rule:
    """Replace a part of a statement."""
    pattern = re.compile(re.escape(old)) if isinstance(old, str) else old

    class Sql(_Changer):
        @override
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value, found = pattern.subn(new, node.value)
                self.changed += found
            return self.generic_visit(node)

    return Sql.rule()


class _Changer(ast.NodeTransformer):
    def __init__(self) -> None:
        self.changed = 0

    @classmethod
    def rule(cls) -> Rule:
        def apply(node: ast.AST) -> tuple[ast.AST, int]:
            changer = cls()
            changed = changer.visit(node)
            return changed, changer.changed

        return apply

    @override
    def generic_visit(self, node: N) -> N:
        super().generic_visit(node)
        return node


_BLOCKS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.If, ast.Try, ast.With, ast.AsyncWith)
_FORMS: Final = (ast.Name, ast.Attribute)


def _is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, _FORMS) and name == (node.id if isinstance(node, ast.Name) else node.attr)


def _uses(node: ast.AST, name: str) -> bool:
    return any(
        _is_named(each, name) or (isinstance(each, ast.Constant) and each.value == name) for each in ast.walk(node)
    )


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and _is_named(node.func, name)


def _calls_within(node: ast.AST, name: str) -> bool:
    return any(_calls(each, name) for each in ast.walk(node))


def _has_operands(node: ast.AST) -> bool:
    return any(isinstance(each, ast.BoolOp) for each in ast.walk(node))


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _statements(text: str) -> list[ast.stmt]:
    return ast.parse(text, feature_version=(3, 10)).body if "return" not in text else _in_function(text)


def _in_function(text: str) -> list[ast.stmt]:
    function = ast.parse(f"async def f():\n    {text}").body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    return function.body
