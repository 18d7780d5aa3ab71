"""The reader of TensorBoard finds in our event files every number of the log, at its step and second."""

import json
import math
import pathlib
import struct
import tempfile

import peers

peers.require("tensorboard")

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub import errors, pywrap_tensorflow

work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)


def single(value):
    """As fp32 keeps it, which is what the format holds."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def a_log():
    """Steps beyond one byte and beyond 2^31, numbers that are not finite, a list, a validation."""
    records, seconds = [], 0.0
    for i, step in enumerate((1, 2, 127, 128, 300, 70000, 5_000_000_000)):
        records.append({"event": "step", "step": step, "loss": None if i == 3 else 10.0 / (i + 1), "level_loss": [5.0 / (i + 1), -0.5],
                        "learning_rate": 1e-3 / (i + 1), "skipped": i == 3, "step_ms": 250.0})
        seconds += 0.25
        records[-1]["at"] = seconds
        if step == 300:
            records.append({"event": "validation", "step": step, "hits_at_10": 0.53, "seconds": 1.5})
            seconds += 1.5
            records[-1]["at"] = seconds
    return records


records = a_log()
(folder / "run").mkdir()
(folder / "run" / "config.ini").write_text("[train]\n")
with open(folder / "run" / "log.jsonl", "w", encoding="utf-8") as log:
    for record in records:
        log.write(json.dumps({key: value for key, value in record.items() if key != "at"}) + "\n")
peers.ours("report", folder / "run", "--tensorboard", folder / "board")


def expected_curves():
    curves = {}
    for record in records:
        group = "train" if record["event"] == "step" else record["event"]
        for key, value in record.items():
            if key in ("event", "step", "at"):
                continue
            values = {f"_{i}": v for i, v in enumerate(value)} if isinstance(value, list) else {"": value}
            for suffix, number in values.items():
                if number is not None and math.isfinite(number):
                    curves.setdefault(f"{group}/{key}{suffix}", []).append((record["at"], record["step"], single(number)))
    return curves


def every_curve_comes_back():
    board = EventAccumulator(str(folder / "board" / "run"), size_guidance={"scalars": 0}).Reload()
    expected = expected_curves()
    assert sorted(board.Tags()["scalars"]) == sorted(expected), board.Tags()
    for tag, points in expected.items():
        found = [(event.wall_time, event.step, event.value) for event in board.Scalars(tag)]
        assert found == points, (tag, found, points)
    return f"tensorboard {tensorboard.__version__}: {len(expected)} curves, {sum(map(len, expected.values()))} points"


def every_checksum_is_right():
    """The record reader checks the CRCs; a byte that is changed anywhere is found."""
    [path] = (folder / "board" / "run").glob("*tfevents*")
    whole = path.read_bytes()

    def count(data):
        other = folder / "other.tfevents"
        other.write_bytes(data)
        reader = pywrap_tensorflow.PyRecordReader_New(str(other))
        records = []
        try:
            while True:
                reader.GetNext()
                records.append(event_pb2.Event.FromString(reader.record()))
        except errors.OutOfRangeError:
            return records

    events = count(whole)
    assert events[0].file_version == "brain.Event:2"
    assert len(events) == len(records) + 1
    for at in (0, 9, 20, len(whole) // 2, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        try:
            count(bytes(damaged))
        except errors.DataLossError:
            continue
        raise AssertionError(f"a damaged byte {at} was not found")


peers.run_checks(every_curve_comes_back, every_checksum_is_right)
