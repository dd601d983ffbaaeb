#include "index/search_kernels.h"

#include "index/leaf_codes.h"
#include "index/pair_codes.h"
#include "platform/check.h"

#include "index/simd.h"

namespace xtree::index::baseline {
namespace {
#include "index/leaf_codes.inc"
#include "index/pair_codes.inc"
#include "index/window_kernels.inc"
#include "index/pair_gaps.inc"
#include "index/measure_kernels.inc"
#include "index/search_kernels.inc"
}  // namespace
}  // namespace xtree::index::baseline

#if XTREE_HAS_AVX2
XTREE_BEGIN_AVX2
namespace xtree::index::avx2 {
namespace {
#include "index/leaf_codes.inc"
#include "index/pair_codes.inc"
#include "index/window_kernels.inc"
#include "index/pair_gaps.inc"
#include "index/measure_kernels.inc"
#include "index/search_kernels.inc"
}  // namespace
}  // namespace xtree::index::avx2
XTREE_END_AVX2
#endif

namespace xtree::index {

template <class Scalar>
SearchKernels<Scalar> make_search_kernels(const Layout& layout, Isa isa) noexcept {
  XTREE_CHECK(isa_supported(isa));
#if XTREE_HAS_AVX2
  if (isa == Isa::avx2) return avx2::kernels_for<Scalar>(layout);
#endif
  return baseline::kernels_for<Scalar>(layout);
}

template SearchKernels<float> make_search_kernels(const Layout& layout, Isa isa) noexcept;
template SearchKernels<double> make_search_kernels(const Layout& layout, Isa isa) noexcept;

}  // namespace xtree::index
