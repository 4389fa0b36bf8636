"""Every file of a folder is read by one command, goes into another file's dataset, or is refused with the reason.

A folder that gets another file fails here until somebody says what the file is.
"""

import json

import pytest

import charz
from charz.errors import ReadError

NBSTO, TIO2, SCOPE, KNOWM = "nbsto-groningen", "tio2-drift-imperial", "sdc-scope-keysight", "knowm-discovery"
BISOL, MOKE, DNPU = "bisol-pulse-retention", "moke-labview-lvm", "dnpu-brainspy-smg"

# folder, files in it, their number, description of each
READ = [
    (NBSTO, "radius-10um/*.csv", 5, "iv_sweep"),
    (NBSTO, "iv-small/*.csv", 3, "iv_sweep-small"),
    (NBSTO, "old-device/*.dat", 1, "iv_sweep-old-device"),
    (NBSTO, "pulses/hold_*.txt", 1, "pulse_train-hold"),
    (NBSTO, "pulses/m4V_*.txt", 1, "pulse_train-m4V"),
    (NBSTO, "pulses/*_processed.txt", 1, "pulse_train-processed"),
    (TIO2, "*/*_proc.csv", 5, "retention"),
    (SCOPE, "*.csv", 5, "hysteresis"),
    (KNOWM, "*/Memristor.csv", 5, "hysteresis"),
    (BISOL, "*_Integ1.0.csv", 2, "pulse_train"),
    (BISOL, "*_retentiondata.csv", 1, "retention"),
    (MOKE, "hyst-loop-data", 1, "hysteresis"),
    (DNPU, "IO.dat", 1, "transfer"),
    (DNPU, "*.npz", 1, "transfer-npz"),
]
# folder, files that are joined to others or kept as their notes, their number
BESIDE = [
    (KNOWM, "*/Resistor+Memristor.csv", 5),
    (BISOL, "*_info.txt", 1),
    (BISOL, "comments.txt", 1),
]
# folder, files that are no data, their number, the reason
REFUSED = [
    (NBSTO, "pulses/Sp*00mV.txt", 2, "pulse_train-processed", "2 columns, but the schema names 4"),
    (DNPU, "*.yaml", 1, "transfer", "carries 31 tags"),
    (DNPU, "*.json", 1, "transfer", "carries 11 tags"),
]


@pytest.mark.parametrize(("folder", "pattern", "number", "name"), READ)
def test_files_that_are_read(measured_root, descriptions, folder, pattern, number, name):
    files = sorted((measured_root / folder).glob(pattern))
    assert len(files) == number
    kind = name.partition("-")[0]
    for file in files:
        dataset = charz.read(file, description=descriptions / f"{folder}-{name}.toml")
        last = json.loads(dataset.attrs.get("extraction", "{}"))
        assert last.get("from", dataset.attrs["experiment"]) == kind
        assert file.name in dataset.attrs["source_file"]
        assert dataset.attrs["num_rows_read"] == dataset.attrs["num_rows_kept"] > 0


@pytest.mark.parametrize(("folder", "pattern", "number", "name", "reason"), REFUSED)
def test_files_that_are_refused(measured_root, descriptions, folder, pattern, number, name, reason):
    files = sorted((measured_root / folder).glob(pattern))
    assert len(files) == number
    for file in files:
        with pytest.raises(ReadError, match=reason):
            charz.read(file, description=descriptions / f"{folder}-{name}.toml")


@pytest.mark.parametrize("folder", [NBSTO, TIO2, SCOPE, KNOWM, BISOL, MOKE, DNPU])
def test_no_file_is_left_over(measured_root, folder):
    root = measured_root / folder
    found = {file for file in root.rglob("*") if file.is_file()} - {root / "PROVENANCE.md"}
    named = [
        file
        for one, pattern, *_ in (*READ, *BESIDE, *REFUSED)
        if one == folder
        for file in root.glob(pattern)
    ]
    assert sorted(named) == sorted(found)
    expected = sum(number for one, _, number, *_ in (*READ, *BESIDE, *REFUSED) if one == folder)
    assert len(named) == expected
