// The instruction sets that tests go through.
#pragma once

#include <vector>

#include "index/isa.h"

namespace xtree::index {

// Those that this processor runs, the baseline first.
inline std::vector<Isa> supported_isas() {
  std::vector<Isa> isas{Isa::baseline};
  for (const Isa isa : {Isa::avx2, Isa::avx512}) {
    if (isa_supported(isa)) isas.push_back(isa);
  }
  return isas;
}

inline const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::avx2: return "AVX2";
    case Isa::avx512: return "AVX-512";
    default: return "baseline";
  }
}

}  // namespace xtree::index
