from typing import TypedDict

class _BuildInfo(TypedDict):
    """compiler: name and version; cplusplus: two digits of the year; simd: "avx2" or "baseline"."""

    compiler: str
    cplusplus: int
    simd: str

def build_info() -> _BuildInfo:
    """Return the compiler, the C++ standard and the SIMD level in use here."""
