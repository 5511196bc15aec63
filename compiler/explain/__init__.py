"""Why accuracy is lost: the error of every layer against the ANN, split into its causes."""

from .explain import explain
from .explanation import Explanation

__all__ = ["Explanation", "explain"]
