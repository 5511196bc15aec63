"""What a tensor of an unrolled network is: a sum of products of spikes and one real value.

Within a layer frameworks compute with element-wise operators: membranes and currents are scaled
by constants, added, and multiplied by spikes (a reset). So every tensor there is a polynomial in
spikes, whose every term has at most one membrane or current; and a spike is its own square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ...ir import Array


@dataclass(frozen=True)
class Leaf:
    """What a polynomial does not look into.

    Attributes:
        kind: ``membrane``, ``spike`` (of the membrane in that tensor) or ``current``: all else.
        tensor: Name of the tensor.
    """

    kind: str
    tensor: str


Monomial = frozenset[Leaf]
"""Leaves that are multiplied; empty for a constant."""

ONE: Monomial = frozenset()


MOST_TERMS = 1 << 14
"""Terms of a polynomial: products of sums, in a hostile file, could have any number."""


class BeyondPolynomialsError(Exception):
    """A product of two membranes or currents, a division by one: no dynamics that are known."""


@dataclass(frozen=True, eq=False)
class Polynomial:
    """A sum of terms.

    Attributes:
        terms: For each product of leaves its coefficient, broadcastable to the tensor with its
            batch axis; float64, never 0 everywhere.
    """

    terms: Mapping[Monomial, Array]

    @staticmethod
    def constant(value: Array) -> Polynomial:
        """Return a constant."""
        return _of({ONE: np.asarray(value, np.float64)})

    @staticmethod
    def of(leaf: Leaf) -> Polynomial:
        """Return a leaf itself."""
        return Polynomial({frozenset({leaf}): np.ones(())})

    @property
    def leaves(self) -> frozenset[Leaf]:
        """All leaves."""
        return frozenset(leaf for monomial in self.terms for leaf in monomial)

    @property
    def fixed(self) -> Array:
        """The constant term."""
        return self.terms.get(ONE, np.zeros(()))

    @property
    def is_constant(self) -> bool:
        """Whether there is no other term."""
        return self.terms.keys() <= {ONE}

    @property
    def only_leaf(self) -> Leaf | None:
        """The leaf that it is, once and with nothing added; None where it is anything else."""
        if len(self.terms) == 1:
            ((monomial, coefficient),) = self.terms.items()
            if len(monomial) == 1 and np.all(coefficient == 1):
                return next(iter(monomial))
        return None

    def coefficient(self, *leaves: Leaf) -> Array:
        """Return the coefficient of a product of leaves, 0 where there is none."""
        return self.terms.get(frozenset(leaves), np.zeros(()))

    def plus(self, other: Polynomial, sign: float = 1) -> Polynomial:
        """Return the sum, or the difference."""
        terms = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            terms[monomial] = terms.get(monomial, np.zeros(())) + sign * coefficient
        return _of(terms)

    def times(self, other: Polynomial) -> Polynomial:
        """Return the product.

        Raises:
            BeyondPolynomialsError: Two membranes or currents would be multiplied.
        """
        terms: dict[Monomial, Array] = {}
        for one, a in self.terms.items():
            for two, b in other.terms.items():
                if _is_analog(one) and _is_analog(two):
                    raise BeyondPolynomialsError("multiplies a membrane or a current by another")
                product = one | two
                terms[product] = terms.get(product, np.zeros(())) + a * b
        return _of(terms)

    def divided(self, other: Polynomial) -> Polynomial:
        """Return the quotient.

        Raises:
            BeyondPolynomialsError: The divisor is no constant, or 0 somewhere.
        """
        if not other.is_constant or not np.all(other.fixed):
            raise BeyondPolynomialsError("divides by a value that is not constant")
        return self.scaled(1 / other.fixed)

    def scaled(self, factor: Array) -> Polynomial:
        """Return the product with a constant."""
        return _of({monomial: factor * a for monomial, a in self.terms.items()})

    def without(self, monomials: Iterable[Monomial]) -> Polynomial:
        """Return it without some terms."""
        left_out = set(monomials)
        return Polynomial({m: a for m, a in self.terms.items() if m not in left_out})

    def where(self, keep: Callable[[Monomial], bool]) -> Polynomial:
        """Return the terms that a condition holds for."""
        return Polynomial({m: a for m, a in self.terms.items() if keep(m)})


def _of(terms: Mapping[Monomial, Array]) -> Polynomial:
    if len(terms) > MOST_TERMS:
        raise BeyondPolynomialsError(f"has more than {MOST_TERMS} terms")
    return Polynomial({m: _plain(a) for m, a in terms.items() if np.any(a)})


def _plain(coefficient: Array) -> Array:
    """Return one number where all are the same: zeros of a whole batch are a constant 0."""
    if coefficient.size > 1 and np.all(coefficient == coefficient.flat[0]):
        return np.asarray(coefficient.flat[0])
    return coefficient


def _is_analog(monomial: Monomial) -> bool:
    return any(leaf.kind != "spike" for leaf in monomial)


def close(one: Array, two: Array) -> bool:
    """Whether two coefficients are the same but for the rounding of float32 constants."""
    size = max(float(np.max(np.abs(one))), float(np.max(np.abs(two))))
    return bool(np.max(np.abs(one - two)) <= 1e-6 * size)
