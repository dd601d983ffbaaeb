#include "index/search_kernels.h"

#include "index/search_kernels_isa.h"
#include "platform/check.h"

#include "index/simd.h"

namespace xtree::index {

template <class Scalar>
SearchKernels<Scalar> make_search_kernels(const Layout& layout, Isa isa) noexcept {
  XTREE_CHECK(isa_supported(isa));
#if XTREE_HAS_AVX512
  if (isa == Isa::avx512) return avx512::search_kernels<Scalar>(layout);
#endif
#if XTREE_HAS_AVX2
  if (isa == Isa::avx2) return avx2::search_kernels<Scalar>(layout);
#endif
  return baseline::search_kernels<Scalar>(layout);
}

template SearchKernels<float> make_search_kernels(const Layout& layout, Isa isa) noexcept;
template SearchKernels<double> make_search_kernels(const Layout& layout, Isa isa) noexcept;

}  // namespace xtree::index
