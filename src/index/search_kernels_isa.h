// The search kernels of each instruction set, for `make_search_kernels` alone: a file each, as they
// take long to compile.
#pragma once

#include "index/search_kernels.h"

namespace xtree::index {

namespace baseline {
template <class Scalar>
[[nodiscard]] SearchKernels<Scalar> search_kernels(const Layout& layout) noexcept;
}
namespace avx2 {
template <class Scalar>
[[nodiscard]] SearchKernels<Scalar> search_kernels(const Layout& layout) noexcept;
}
namespace avx512 {
template <class Scalar>
[[nodiscard]] SearchKernels<Scalar> search_kernels(const Layout& layout) noexcept;
}

}  // namespace xtree::index
