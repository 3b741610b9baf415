import platform

from toolkit import cpu


def test_a_processor_is_told_with_what_makes_it_fast(monkeypatch):
    monkeypatch.setattr(
        cpu, "_told", lambda: "model name\t: Xeon\nflags\t\t: fpu avx512f avx512_vnni amx_bf16 amx_int8\n"
    )
    assert cpu.units() == ["AVX-512", "VNNI", "AMX"]
    assert cpu.title() == "Xeon (AVX-512, VNNI, AMX)"
    monkeypatch.setattr(cpu, "_told", lambda: "Features\t: fp asimd i8mm bf16\n")
    assert cpu.title() == f"{platform.processor() or platform.machine()} (I8MM)"


def test_a_system_that_tells_nothing_has_a_name_alone(monkeypatch):
    monkeypatch.setattr(cpu, "_told", lambda: "")
    assert cpu.units() == []
    assert cpu.title() == (platform.processor() or platform.machine())
