#include "index/leaf_codes.h"
#include "index/pair_codes.h"
#include "index/search_kernels_isa.h"

#include "index/simd.h"

#if XTREE_HAS_AVX512
XTREE_BEGIN_AVX512
namespace xtree::index::avx512 {
#include "index/search_kernels.inc"
}  // namespace xtree::index::avx512
XTREE_END_AVX512
#endif
