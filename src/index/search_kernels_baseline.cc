#include "index/leaf_codes.h"
#include "index/pair_codes.h"
#include "index/search_kernels_isa.h"

#include "index/simd.h"

namespace xtree::index::baseline {
#include "index/search_kernels.inc"
}  // namespace xtree::index::baseline
