#include "index/leaf_codes.h"
#include "index/pair_codes.h"
#include "index/search_kernels_isa.h"

#include "index/simd.h"

#if XTREE_HAS_AVX2
XTREE_BEGIN_AVX2
namespace xtree::index::avx2 {
#include "index/search_kernels.inc"
}  // namespace xtree::index::avx2
XTREE_END_AVX2
#endif
