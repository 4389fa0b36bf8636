"""A few small synthetic files of every format, with the traps of real ones, and the numbers that are in them.

Tests load this module by its path, since the folders of tests are no packages.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

NAN = float("nan")
_SWEEP = {"voltage": "V", "current": "A"}


@dataclass(frozen=True)
class Example:
    """One file.

    Parameters
    ----------
    name : str
    write : callable
        From a folder to the file that it writes there; the same bytes every time.
    columns : dict of str to list of float
        Numbers of the first table by SOURCE; NaN where a cell is empty.
    keys : dict
        Arguments of `charz.read` for a valid dataset of the first table; all `units` are stated in them.
    unstated : str
        A variable of `keys` whose unit the file does not state; empty where it states all.
    tables : int
        Number of tables in the file.
    """

    name: str
    write: Callable[[Path], Path]
    columns: dict[str, list[float]]
    keys: dict[str, Any] = field(default_factory=dict)
    unstated: str = ""
    tables: int = 1


def _text(name: str, text: str, encoding: str = "utf-8") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def _sweep(voltage: str, current: str, units: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "experiment": "iv_sweep",
        "columns": {"voltage": voltage, "current": current},
        "units": units or _SWEEP,
        **more,
    }


_COMMENTED = (
    "# Lab 3, wire 7\r\n# 12.05.2025; T = 300 K\r\nNr;Spannung;Strom [nA];Gerät\r\n"
    "1;0,1;1,5;wire_1\r\n2;0,2;−2,5e3;wire_1\r\n3;0,3;;wire_1\r\n4;-0,4;4;wire_2\r\n"
)
_LOG = "588.000\t1000.000\t2.040\t118661.821\r\n589.000\t1000.000\t2.060\t4998.513\r\n590.000\t1000.000\t.5\t7\r\n"
_GROUPS = "SET#1,SET#1,RESET#1,RESET#1\nV,I,V,I\n0.5,1e-6,0.75,2e-6\n1.5,3e-6,1.75,\n2.5,5e-6,2.75,6e-6\n"
_BLANKS = "  Drive (mV)    R\n\n   100.0   2e4\n   -50.0   3e4\n   0.5e2   nan\n\nTotal:\n"

_DELIMITED = [
    Example(
        "semicolons and decimal commas",
        _text("lab.csv", _COMMENTED, "utf-8-sig"),
        {"Nr": [1, 2, 3, 4], "Spannung": [0.1, 0.2, 0.3, -0.4], "@3": [1.5, -2500, NAN, 4]},
        _sweep(
            "Spannung",
            "Strom",
            {"voltage": "mV"},
            mask={"current": "current != current"},
            device="wire_{file}",
        ),
        unstated="voltage",
    ),
    Example(
        "log without header",
        _text("log.txt", _LOG),
        {"@1": [588, 589, 590], "@3": [2.04, 2.06, 0.5], "@4": [118661.821, 4998.513, 7]},
        {
            "experiment": "pulse_switching",
            "columns": {"device": "@1", "amplitude": "@3", "r": "@4"},
            "units": {"amplitude": "V", "r": "ohm"},
            "switched": "r < 20e3",
        },
        unstated="amplitude",
    ),
    Example(
        "two header rows",
        _text("cycles.csv", _GROUPS),
        {"SET#1.V": [0.5, 1.5, 2.5], "RESET#1.V": [0.75, 1.75, 2.75], "RESET#1.I": [2e-6, NAN, 6e-6]},
        _sweep("SET#1.V", "SET#1.I"),
        unstated="voltage",
    ),
    Example(
        "aligned by blanks",
        _text("table.dat", _BLANKS),
        {"Drive": [100, -50, 50], "R": [2e4, 3e4, NAN]},
        {
            "experiment": "hysteresis",
            "columns": {"field": "Drive", "signal": "R"},
            "units": {"field": "mV", "signal": "ohm"},
            "where": "R == R",
        },
        unstated="signal",
    ),
]


def _fixed(path: Path) -> None:
    """Write an archive anew without the times at which its parts were written."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def _book(name: str, sheets: dict[str, list[list[Any]]]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        import datetime

        import openpyxl

        workbook = openpyxl.Workbook()
        workbook.remove(workbook.active)
        workbook.properties.created = datetime.datetime(2025, 12, 5)
        for title, rows in sheets.items():
            sheet = workbook.create_sheet(title)
            for row in rows:
                sheet.append(row)
        path = folder / name
        workbook.save(path)
        _fixed(path)
        with zipfile.ZipFile(path) as archive:
            core = archive.read("docProps/core.xml")
        head, _, rest = core.partition(b'<dcterms:modified xsi:type="dcterms:W3CDTF">')
        still = head + rest.partition(b"</dcterms:modified>")[2] if rest else core
        _replaced(path, "docProps/core.xml", still)
        return path

    return write


def _replaced(path: Path, part: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, old in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content if name == part else old, zipfile.ZIP_DEFLATED)


_EXCEL = [
    Example(
        "title, units row, text numbers and error cells",
        _book(
            "sweep.xlsx",
            {
                "Data": [
                    ["Device 7"],
                    [],
                    ["Voltage", "Current"],
                    ["V", "uA"],
                    [0.5, 1],
                    ["1.5", 2],
                    [2.5, 4.25],
                ],
                "Notes": [["nothing measured here"]],
            },
        ),
        {"Voltage": [0.5, 1.5, 2.5], "Current": [1, 2, 4.25]},
        _sweep("Voltage", "Current", {"voltage": "V"}),
    ),
    Example(
        "several sheets",
        _book(
            "runs.xlsx",
            {
                "1st": [["V", "I"], [0.5, 1e-6], ["#DIV/0!", 2e-6], [1.5, 3e-6]],
                "2nd": [["V", "I"], [0.25, 1e-6], [0.75, 2e-6]],
            },
        ),
        {"V": [0.5, NAN, 1.5], "I": [1e-6, 2e-6, 3e-6]},
        _sweep("V", "I", table="1st", where="voltage == voltage"),
        unstated="voltage",
        tables=2,
    ),
]


def _run(scale: float) -> list[list[Any]]:
    return [
        ["Time", "AI", "AV", "ID", "VSET"],
        [0.5, 1e-9 * scale, 0, "#REF", 0.02],
        [0.6, 3e-9 * scale, -0.01, 2e-9 * scale],
        [0.7, 9e-9 * scale, -0.02, "#REF"],
    ]


_RULE = ["=" * 30]
_SETTINGS = [
    row
    for number in (10, 9)
    for row in (
        *(_RULE, [f"Run{number}"], _RULE, []),
        ["Test Name", "SET#1@1"],
        ["Device Terminal", "B", "A"],
        ["Operation Mode", "Common", "Voltage Linear Sweep"],
        ["Compliance", "0.105", "0.0005"],
    )
]
_CYCLES = (
    "Cycle,SET#1,SET#1,RESET#1,RESET#1,CVS#1\nIndex,ILRS,V,ILRS,V,AI\n"
    "1,1e-4,1.5,2e-4,0.9\n2,2e-4,2.5,3e-4,0.8\n3,3e-4,0.5,4e-4,0.7\n"
    "Subsite Name,reram\n\nTotal Cycles,3\nLast Executed,12/06/2025 03:42:25\n"
)
_KEITHLEY = [
    Example(
        "workbook of runs",
        _book(
            "clarius.xlsx", {"Run10": _run(2), "Calc": [["x"], [1]], "Settings": _SETTINGS, "Run9": _run(1)}
        ),
        {"AI": [1e-9, 3e-9, 9e-9], "AV": [0, -0.01, -0.02], "VSET": [0.02, NAN, NAN], "ID": [NAN, 2e-9, NAN]},
        _sweep("AV", "AI", tables="cycle"),
        unstated="current",
        tables=2,
    ),
    Example(
        "table of cycles",
        _text("cycles.csv", _CYCLES, "utf-8-sig"),
        {
            "Cycle.Index": [1, 2, 3],
            "SET#1.V": [1.5, 2.5, 0.5],
            "RESET#1.V": [0.9, 0.8, 0.7],
            "CVS#1.AI": [NAN] * 3,
        },
        {
            "experiment": "ramp_switching",
            "columns": {"cycle": "Cycle.Index", "threshold": "SET#1.V"},
            "units": {"threshold": "V"},
        },
        unstated="threshold",
    ),
]

_RECORD = (
    "SetupTitle, Sweep of wire 7\nPrimitiveTest, I/V Sweep\nTestParameter, Channel.Unit, SMU1:HR, SMU2:HR\n"
    "AnalysisSetup, Analysis.Setup.Title, I/V\nDimension1, 3, 3\nDimension2, 1, 1\n"
    "DataName, V1, I1\nDataValue, 0, 1.2E-12\nDataValue, 0.1, -3E-12\nDataValue, 0.2, 7E-12\n"
)
_EASYEXPERT = [
    Example(
        "one record",
        _text("export.csv", _RECORD),
        {"V1": [0, 0.1, 0.2], "I1": [1.2e-12, -3e-12, 7e-12]},
        _sweep("V1", "I1"),
        unstated="voltage",
    ),
    Example(
        "two records",
        _text("export.csv", (_RECORD + _RECORD.replace("7E-12", "")).replace("\n", "\r\n")),
        {"V1": [0, 0.1, 0.2], "I1": [1.2e-12, -3e-12, 7e-12]},
        _sweep("V1", "I1", mask={"current": "current != current"}),
        unstated="voltage",
        tables=2,
    ),
    Example(
        "without tags",
        _text(
            "export.csv",
            "Setup title,Sweep of wire 7\nClassic test name,I/V Sweep\nDevice ID,\n"
            "AutoAnalysis.Marker.Data.StartCondition,\nV1,I1\n0,1.2E-12\n0.1,-3E-12\n0.2,4E-12\n",
        ),
        {"V1": [0, 0.1, 0.2], "I1": [1.2e-12, -3e-12, 4e-12]},
        _sweep("V1", "I1"),
        unstated="voltage",
    ),
]

_KEYSIGHT = (
    "x-axis,1,2\r\nsecond,Volt,Volt\r\n-2.0000000E-03,-11.5E-03,+1.0E+00\r\n"
    "-1.0000000E-03,+12.0E-03,-2.0E+00\r\n+0.0E+00,+500.0E-06,3.0E+00\r\n"
)
_MSO = (
    "Model,MSO4054\nFirmware Version,2.1\n\nHorizontal Units,s,,\nVertical Units,V,A,\nRecord Length,3,,\n\n"
    "Label,,,\nTIME,CH1,CH2\n-2e-3,-0.0115,1\n-1e-3,0.012,-2\n0,5e-4,3\n"
)
_TDS = (
    "Record Length,3.0e+00,,-0.002,-0.0115,\nSample Interval,1.0e-03,,-0.001,0.012,\nSource,CH1,,0,0.0005,\n"
    "Vertical Units,V,,0.001,1,\nHorizontal Units,s,,0.002,2,\n,,,0.003,3,\n"
)
_OSCILLOSCOPE = [
    Example(
        "Keysight",
        _text("scope.csv", _KEYSIGHT),
        {"x-axis": [-2e-3, -1e-3, 0], "1": [-0.0115, 0.012, 5e-4], "@3": [1, -2, 3]},
        {"experiment": "hysteresis", "columns": {"field": "@2", "signal": "@3"}, "units": {"field": "V"}},
    ),
    Example(
        "Tektronix with settings above",
        _text("scope.csv", _MSO),
        {"TIME": [-2e-3, -1e-3, 0], "CH1": [-0.0115, 0.012, 5e-4], "CH2": [1, -2, 3]},
        _sweep("CH1", "CH2"),
    ),
    Example(
        "Tektronix with settings beside",
        _text("scope.csv", _TDS),
        {"TIME": [-2e-3, -1e-3, 0, 1e-3, 2e-3, 3e-3], "CH1": [-0.0115, 0.012, 5e-4, 1, 2, 3]},
        {
            "experiment": "telegraph",
            "columns": {"elapsed": "TIME", "signal": "CH1"},
            "units": {"signal": "V"},
        },
    ),
]

_LVM_HEAD = (
    "LabVIEW Measurement\t\nWriter_Version\t2\nReader_Version\t2\nSeparator\tTab\nDecimal_Separator\t.\n"
    "Multi_Headings\tYes\nX_Columns\tNo\nOperator\tAda\n***End_of_Header***\t\n\t\n"
)
_LVM_SEGMENT = (
    "Channels\t2\t\t\nSamples\t3\t3\t\nX_Dimension\tTime\tTime\t\nX0\t0.0E+0\t0.0E+0\t\nDelta_X\t1.0\t1.0\t\n"
    "***End_of_Header***\t\t\t\nX_Value\tUntitled\tUntitled 1\tComment\n\t0.5\t-120.25\n\t1.5\t0\n\t2.5\t3e2\n\n"
)
_LABVIEW = [
    Example(
        "one segment without x",
        _text("loop.lvm", _LVM_HEAD + _LVM_SEGMENT),
        {"Untitled": [0.5, 1.5, 2.5], "Untitled 1": [-120.25, 0, 300], "@1": [NAN] * 3},
        {
            "experiment": "hysteresis",
            "columns": {"field": "Untitled 1", "signal": "Untitled"},
            "units": {"field": "Oe", "signal": "arb"},
        },
        unstated="field",
    ),
    Example(
        "two segments with decimal commas",
        _text(
            "loop.lvm",
            (_LVM_HEAD + _LVM_SEGMENT + _LVM_SEGMENT)
            .replace("Decimal_Separator\t.", "Decimal_Separator\t,")
            .replace(".5", ",5")
            .replace(".25", ",25")
            .replace("0.0E", "0,0E")
            .replace("1.0", "1,0"),
            "latin-1",
        ),
        {"Untitled": [0.5, 1.5, 2.5], "Untitled 1": [-120.25, 0, 300]},
        {
            "experiment": "hysteresis",
            "columns": {"field": "Untitled 1", "signal": "Untitled"},
            "units": {"field": "Oe", "signal": "V"},
        },
        unstated="field",
        tables=2,
    ),
]


def _npy(folder: Path) -> Path:
    path = folder / "trace.npy"
    np.save(path, np.asfortranarray([[0.5, 1e-6], [1.5, np.nan], [2.5, 3e-6]]).astype(">f8"))
    return path


def _npz(folder: Path) -> Path:
    path = folder / "trace.npz"
    np.savez(
        path, v=np.array([0.5, 1.5, 2.5]), i=np.array([[1], [2], [3]], dtype=np.int16), gain=np.float32(2)
    )
    return path


def _structured(folder: Path) -> Path:
    path = folder / "log.npy"
    np.save(
        path, np.array([(b"a", 0.5, 1), (b"a", 1.5, 0)], dtype=[("cell", "S4"), ("v", "f4"), ("hit", "?")])
    )
    return path


_NUMPY = [
    Example(
        "one array without names",
        _npy,
        {"@1": [0.5, 1.5, 2.5], "@2": [1e-6, NAN, 3e-6]},
        _sweep("@1", "@2", where="current == current"),
        unstated="voltage",
    ),
    Example(
        "named arrays",
        _npz,
        {"v": [0.5, 1.5, 2.5], "i": [1, 2, 3]},
        _sweep("v", "i", {"voltage": "V", "current": "nA"}),
        unstated="voltage",
    ),
    Example(
        "structured array",
        _structured,
        {"v": [0.5, 1.5], "hit": [1, 0]},
        {
            "experiment": "pulse_switching",
            "columns": {"device": "cell", "amplitude": "v", "switched": "hit"},
            "units": {"amplitude": "V"},
        },
        unstated="amplitude",
    ),
]


def _netcdf3(folder: Path) -> Path:
    from scipy.io import netcdf_file

    path = folder / "loop.nc"
    with netcdf_file(path, "w") as file:
        file.history = b"by hand"
        file.createDimension("point", 3)
        for name, unit, values in (("H", b"Oe", [-100, 0, 100]), ("M", b"V", [-1, 0.5, -9999])):
            variable = file.createVariable(name, "f8", ("point",))
            variable.units = unit
            variable[:] = values
        file.variables["M"].missing_value = np.float64(-9999)
    return path


def _netcdf4(folder: Path) -> Path:
    import netCDF4

    path = folder / "loop.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("t", None)
        file.createDimension("letters", 3)
        time = file.createVariable("t", "f8", ("t",))
        time.units = "seconds since 2026-01-01"
        packed = file.createVariable("r", "i2", ("t",), fill_value=-1)
        packed.set_auto_maskandscale(False)
        packed.scale_factor, packed.add_offset, packed.units = 0.5, 10.0, "kohm"
        name = file.createVariable("chip", "S1", ("t", "letters"))
        time[:], packed[:] = [0, 1, 2], [2, -1, 4]
        name[:] = np.array([list("ab1"), list("ab1"), list("ab1")], dtype="S1")
    return path


def _qcodes(folder: Path) -> Path:
    import netCDF4

    path = folder / "dataset.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.setncattr("ds_name", "results")
        file.setncattr("snapshot", '{"station": {}}')
        for name, unit, values in (("dac_ch1", "V", [0.5, 1.5]), ("dac_ch2", "mV", [10, 20, 30])):
            file.createDimension(name, len(values))
            coordinate = file.createVariable(name, "f8", (name,), fill_value=np.nan)
            coordinate.setncattr("units", unit)
            coordinate[:] = values
        current = file.createVariable("current", "f8", ("dac_ch1", "dac_ch2"), fill_value=np.nan)
        current.units = "A"
        current[:] = [[1e-9, 2e-9, 3e-9], [4e-9, 5e-9, 6e-9]]
    return path


_NETCDF = [
    Example(
        "classic",
        _netcdf3,
        {"H": [-100, 0, 100], "M": [-1, 0.5, NAN]},
        {
            "experiment": "hysteresis",
            "columns": {"field": "H", "signal": "M"},
            "units": {"field": "Oe"},
            "mask": {"signal": "signal != signal"},
        },
    ),
    Example(
        "packed, with a fill value and characters",
        _netcdf4,
        {"t": [0, 1, 2], "r": [11, NAN, 12]},
        {
            "experiment": "retention",
            "columns": {"elapsed": "t", "resistance": "r", "device": "chip"},
            "units": {"elapsed": "s"},
            "where": "r == r",
        },
    ),
    Example(
        "QCoDeS",
        _qcodes,
        {
            "dac_ch1": [0.5, 0.5, 0.5, 1.5, 1.5, 1.5],
            "dac_ch2": [10, 20, 30, 10, 20, 30],
            "current": [1e-9, 2e-9, 3e-9, 4e-9, 5e-9, 6e-9],
        },
        {"experiment": "transfer", "columns": {"voltage": "dac_*"}, "units": {"voltage": "V"}},
    ),
]


def _h5(folder: Path) -> Path:
    import h5py

    path = folder / "run.h5"
    with h5py.File(path, "w") as file:
        file.attrs["operator"] = "Ada"
        group = file.create_group("run1")
        group.attrs["temperature"] = 300.0
        group["voltage"] = np.array([0.5, 1.5, 2.5])
        group["voltage"].attrs["unit"] = np.bytes_(b"V")
        group["current"] = np.array([1, 2, 3], dtype=">i4")
        group["gain"] = 1e6
        other = file.create_group("run2")
        other["voltage"] = np.array([0.25, 0.75])
        other["current"] = np.array([4.0, 5.0])
        other["again"] = h5py.SoftLink("/run1/voltage")
    return path


def _matrix(folder: Path) -> Path:
    import h5py

    path = folder / "table.hdf5"
    with h5py.File(path, "w", userblock_size=512) as file:
        stored = file.create_dataset("data", (3, 2), "f4", compression="gzip", chunks=(2, 2))
        stored[:] = [[0.5, 1], [1.5, 2], [2.5, np.nan]]
    return path


_HDF5 = [
    Example(
        "groups",
        _h5,
        {"voltage": [0.5, 1.5, 2.5], "current": [1, 2, 3]},
        _sweep("voltage", "current", {"current": "nA"}, table="run1"),
        unstated="current",
        tables=2,
    ),
    Example(
        "packed matrix behind a user block",
        _matrix,
        {"data[0]": [0.5, 1.5, 2.5], "data[1]": [1, 2, NAN]},
        _sweep("data[0]", "data[1]", {"voltage": "V", "current": "nA"}, where="current == current"),
        unstated="voltage",
    ),
]


def _mat5(folder: Path) -> Path:
    from scipy.io import savemat

    path = folder / "sweep.mat"
    data = {
        "v": np.array([[0.5, 1.5, 2.5]]),
        "i": np.array([[1], [2], [3]], dtype=np.int16),
        "info": {"chip": "ab", "k": 1.0},
    }
    savemat(path, data, do_compression=True)
    # The header's text holds the time of day.
    content = path.read_bytes()
    path.write_bytes(b"MATLAB 5.0 MAT-file, by hand".ljust(116) + content[116:])
    return path


def _mat73(folder: Path) -> Path:
    import h5py

    path = folder / "sweep.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("s")
        group.attrs["MATLAB_class"] = np.bytes_(b"struct")
        for name, values in (("v", [[0.5, 1.5, 2.5]]), ("i", [[1.0], [2.0], [3.0]])):
            group[name] = np.array(values).T
            group[name].attrs["MATLAB_class"] = np.bytes_(b"double")
        text = file.create_dataset("chip", data=np.array([[97], [98]], dtype=np.uint16))
        text.attrs["MATLAB_class"], text.attrs["MATLAB_int_decode"] = np.bytes_(b"char"), np.int32(2)
    head = b"MATLAB 7.3 MAT-file, by hand HDF5 schema 1.00 .".ljust(116) + bytes(8) + b"\x00\x02IM"
    with path.open("r+b") as stream:
        stream.write(head)
    return path


_MATLAB = [
    Example(
        "version 5, packed",
        _mat5,
        {"v": [0.5, 1.5, 2.5], "i": [1, 2, 3]},
        _sweep("v", "i", {"voltage": "V", "current": "nA"}),
        unstated="voltage",
    ),
    Example(
        "version 7.3",
        _mat73,
        {"s.v": [0.5, 1.5, 2.5], "s.i": [1, 2, 3]},
        _sweep("s.v", "s.i", {"voltage": "V", "current": "nA"}),
        unstated="voltage",
    ),
]


def _parquet(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "trace.parquet"
    fields = [
        pa.field("elapsed", pa.duration("ms")),
        pa.field("signal (mV)", pa.float32()),
        pa.field("count", pa.int64(), metadata={"units": "1"}),
        pa.field("chip", pa.dictionary(pa.int8(), pa.string())),
    ]
    columns = [
        pa.array([0, 500, 1500], pa.duration("ms")),
        pa.array([0.5, -1.5, 2.5], pa.float32()),
        pa.array([1, None, 3]),
        pa.array(["a", "a", "b"]).dictionary_encode().cast(fields[3].type),
    ]
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), path, row_group_size=2)
    return path


_PARQUET = [
    Example(
        "durations, nulls and a dictionary, in row groups",
        _parquet,
        {"elapsed": [0, 0.5, 1.5], "signal": [0.5, -1.5, 2.5], "count": [1, NAN, 3]},
        {"experiment": "telegraph", "columns": {"device": "chip"}, "units": {"signal": "mV"}},
    )
]


def _tdms(folder: Path) -> Path:
    from nptdms import ChannelObject, GroupObject, RootObject, TdmsWriter

    path = folder / "trace.tdms"
    waveform = {"wf_increment": 0.5, "wf_start_offset": 0.25}
    with TdmsWriter(path) as writer:
        writer.write_segment(
            [
                RootObject(properties={"operator": "Ada"}),
                GroupObject("run1", properties={"temperature": 300.0}),
                ChannelObject(
                    "run1", "v", np.array([0.5, 1.5]), properties={"unit_string": "mV", **waveform}
                ),
                ChannelObject("run1", "i", np.array([1, 2], dtype=np.int32), properties=waveform),
            ]
        )
        writer.write_segment(
            [
                ChannelObject("run1", "v", np.array([2.5])),
                ChannelObject("run1", "i", np.array([3], dtype=np.int32)),
            ]
        )
    return path


_TDMS = [
    Example(
        "waveforms in two segments",
        _tdms,
        {"time": [0.25, 0.75, 1.25], "v": [0.5, 1.5, 2.5], "i": [1, 2, 3]},
        _sweep("v", "i", {"current": "nA"}),
        unstated="current",
    )
]

EXAMPLES: dict[str, list[Example]] = {
    "delimited": _DELIMITED,
    "excel": _EXCEL,
    "keithley": _KEITHLEY,
    "easyexpert": _EASYEXPERT,
    "oscilloscope": _OSCILLOSCOPE,
    "labview": _LABVIEW,
    "numpy": _NUMPY,
    "netcdf": _NETCDF,
    "hdf5": _HDF5,
    "matlab": _MATLAB,
    "parquet": _PARQUET,
    "tdms": _TDMS,
}
