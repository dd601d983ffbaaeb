#include "index/write_kernels.h"

#include <limits>

#include "index/node_access.h"
#include "index/policy.h"
#include "platform/check.h"

// Behind every other header: what follows is compiled for instruction sets of its own.
#include "index/simd.h"

namespace xtree::index {
namespace {
template <class Scalar>
inline constexpr Scalar kMost = std::numeric_limits<Scalar>::max();
}  // namespace

namespace baseline {
namespace {
#include "index/leaf_codes.inc"
#include "index/pair_codes.inc"
#include "index/choose.inc"
#include "index/equal.inc"
#include "index/encode.inc"
#include "index/extent.inc"
#include "index/cut.inc"
#include "index/write_table.inc"
}  // namespace
}  // namespace baseline
}  // namespace xtree::index

#if XTREE_HAS_AVX2
XTREE_BEGIN_AVX2
namespace xtree::index::avx2 {
namespace {
#include "index/leaf_codes.inc"
#include "index/pair_codes.inc"
#include "index/choose.inc"
#include "index/equal.inc"
#include "index/encode.inc"
#include "index/extent.inc"
#include "index/cut.inc"
#include "index/write_table.inc"
}  // namespace
}  // namespace xtree::index::avx2
XTREE_END_AVX2
#endif

namespace xtree::index {

template <class Scalar>
const WriteKernels<Scalar>& write_kernels(const Layout& layout, Isa isa) noexcept {
  XTREE_CHECK(isa_supported(isa));
#if XTREE_HAS_AVX2
  if (isa != Isa::baseline) return avx2::table_for<Scalar>(layout);
#endif
  return baseline::table_for<Scalar>(layout);
}

template const WriteKernels<float>& write_kernels(const Layout&, Isa) noexcept;
template const WriteKernels<double>& write_kernels(const Layout&, Isa) noexcept;

}  // namespace xtree::index
