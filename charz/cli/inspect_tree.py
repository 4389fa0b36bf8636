"""Groups of the netCDF files that charz writes beside datasets: posteriors, runs, predictions."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

_NETCDF = (b"\x89HDF\r\n\x1a\n", b"CDF")
# By these charz' own files are told from netCDF of other origin, which a reader opens.
_OWN_ATTRIBUTES = {"charz_version", "scheme", "model", "converged"}
_OWN_GROUPS = {"posterior", "prior", "sample_stats", "observed_data"}


def read_tree(file: Path) -> dict[str, Any] | None:
    """Groups and attributes of a posterior, run or prediction; None for netCDF and HDF5 of other origin."""
    import netCDF4
    import xarray as xr

    if not _starts_like_netcdf(file):
        return None
    try:
        with netCDF4.Dataset(file) as opened:
            own = _OWN_ATTRIBUTES & set(opened.ncattrs()) or _OWN_GROUPS & set(opened.groups)
        if not own:
            return None
        with xr.open_datatree(file, engine="netcdf4") as tree:
            groups = {
                "/" if path == "." else path: _describe_group(node)
                for path, node in tree.subtree_with_keys
                if path != "." or node.data_vars
            }
            return {"groups": groups, "attributes": _native(tree.attrs)}
    except Exception:  # the netCDF, HDF5 and xarray layers each raise errors of their own
        return None


def _starts_like_netcdf(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(8).startswith(_NETCDF)


def _describe_group(node: "xr.DataTree") -> dict[str, Any]:
    return {
        "dims": {str(dim): int(size) for dim, size in node.sizes.items()},
        "variables": {
            str(name): {"dims": list(map(str, array.dims)), "units": array.attrs.get("units")}
            for name, array in node.data_vars.items()
        },
        "attributes": _native(node.attrs),
    }


def _native(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(name): value.tolist() if hasattr(value, "tolist") else value for name, value in attributes.items()
    }
