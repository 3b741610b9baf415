import sys
import time
import types

import pytest
import torch

from toolkit.training import hardware


@pytest.fixture
def driver(monkeypatch):
    """nvidia-ml-py as it answers where there is a GPU."""
    told = types.SimpleNamespace(uuids=[], looks=0)

    def rates(handle):
        told.looks += 1
        return types.SimpleNamespace(gpu=50 if told.looks % 2 else 100)

    fake = types.ModuleType("pynvml")
    fake.nvmlInit = lambda: None
    fake.nvmlDeviceGetHandleByUUID = lambda uuid: told.uuids.append(uuid) or "gpu"
    fake.nvmlDeviceGetUtilizationRates = rates
    fake.nvmlDeviceGetMemoryInfo = lambda handle: types.SimpleNamespace(used=3 << 30)
    fake.NVML_PCIE_UTIL_TX_BYTES, fake.NVML_PCIE_UTIL_RX_BYTES = 0, 1
    fake.nvmlDeviceGetPcieThroughput = lambda handle, way: [2048, 4096][way]
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda: types.SimpleNamespace(uuid="abc"))
    monkeypatch.setattr(hardware, "BETWEEN", 0.01)
    return told


def wait_for(meter, looks):
    end = time.monotonic() + 10
    while len(meter.seen) < looks:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_gpu_is_looked_at_between_the_steps(driver):
    meter = hardware.Meter("cuda")
    wait_for(meter, 2)
    meter.close()
    found = meter.take()
    assert driver.uuids == ["GPU-abc"]
    assert 0.5 <= found.pop("gpu/use") <= 1
    assert found == {
        "gpu/memory_mb": 3072.0,
        "gpu/pcie_sent_mb_per_second": 2.0,
        "gpu/pcie_received_mb_per_second": 4.0,
    }
    assert meter.take() == {}, "told once"
    assert not meter.thread.is_alive()


def test_a_driver_that_stops_answering_costs_figures_alone(driver, monkeypatch):
    meter = hardware.Meter("cuda")
    wait_for(meter, 1)
    monkeypatch.setattr(sys.modules["pynvml"], "nvmlDeviceGetMemoryInfo", lambda handle: 1 / 0)
    meter.thread.join(timeout=10)
    assert not meter.thread.is_alive()
    meter.close()
    assert meter.take()


@pytest.mark.parametrize("missing", ["library", "driver"])
def test_without_library_or_driver_there_are_no_figures(driver, monkeypatch, missing):
    if missing == "library":
        monkeypatch.setitem(sys.modules, "pynvml", None)
    else:
        monkeypatch.setattr(sys.modules["pynvml"], "nvmlInit", lambda: 1 / 0)
    meter = hardware.Meter("cuda")
    assert meter.thread is None
    assert meter.take() == {}
    meter.close()


def test_a_processor_has_its_memory_told():
    assert hardware.Meter("cpu").thread is None
    assert list(hardware.memory("cpu")) == ["memory/process_mb"]
    assert 50 < hardware.memory("cpu")["memory/process_mb"] < 100_000


def test_a_gpus_memory_is_that_of_its_tensors(monkeypatch):
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 5 << 20)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 9 << 20)
    found = hardware.memory("cuda")
    assert (found["memory/gpu_mb"], found["memory/gpu_peak_mb"]) == (5.0, 9.0)
