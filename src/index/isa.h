// Isa: which instruction set the kernels of an index use, chosen once when the index is made.
#pragma once

#include <cstdint>

namespace xtree::index {

// Kernels exist once per instruction set and give the same answers, bit for bit, on all of them.
enum class Isa : std::uint8_t {
  baseline,  // what every processor of the target has
  avx2,      // x86-64 with AVX2, BMI and POPCNT
  avx512,    // that, and AVX-512 with its F, BW, DQ, VL and VBMI2 parts
};

// Whether this processor, and this build, can run kernels of the instruction set.
[[nodiscard]] inline bool isa_supported(Isa isa) noexcept {
#if defined(__x86_64__)
  if (isa == Isa::avx2) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  }
  if (isa == Isa::avx512) {
    // VBMI2 is not used: processors without it run slower for a while behind registers of 64 bytes.
    return isa_supported(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2");
  }
#endif
  return isa == Isa::baseline;
}

// The fastest that this processor can run.
[[nodiscard]] inline Isa best_isa() noexcept {
  if (isa_supported(Isa::avx512)) return Isa::avx512;
  return isa_supported(Isa::avx2) ? Isa::avx2 : Isa::baseline;
}

}  // namespace xtree::index
