#include <cstddef>
#include <limits>

#include "index/engine.h"
#include "platform/check.h"

namespace xtree::index {
namespace {

// NaN fails every comparison.
template <class Scalar>
bool is_finite_box(const Scalar* min, const Scalar* max, std::size_t dimensions) noexcept {
  constexpr Scalar kLargest = std::numeric_limits<Scalar>::max();
  bool good = true;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    good = good && min[axis] >= -kLargest && min[axis] <= max[axis] && max[axis] <= kLargest;
  }
  return good;
}

template <class Scalar>
bool is_good(const detail::Schema& schema, const void* geometry) noexcept {
  const auto* min = static_cast<const Scalar*>(geometry);
  return is_finite_box(min, schema.shape == Shape::points ? min : min + schema.dimensions,
                       schema.dimensions);
}

}  // namespace

Result<void> check_geometry(const detail::Schema& schema, const void* geometry) noexcept {
  const bool good = schema.scalar == detail::ScalarType::float64
                        ? is_good<double>(schema, geometry)
                        : is_good<float>(schema, geometry);
  if (good) [[likely]]
    return {};
  return refused_geometry();
}

Result<void> check_all(const detail::Schema& schema, const detail::EntryBlock& entries) noexcept {
  const auto* geometry = static_cast<const std::byte*>(entries.geometry);
  for (std::size_t i = 0; i < entries.count; ++i) {
    XTREE_TRY(check_geometry(schema, geometry + i * entries.stride));
  }
  return {};
}

Result<void> check_request(const detail::Schema& schema,
                           const detail::NearestRequest& request) noexcept {
  if (!(request.max_distance >= 0)) [[unlikely]] {
    return Error(ErrorCode::invalid_argument, "query",
                 "the maximum distance is negative or NaN; infinity means none");
  }
  if (request.weights == nullptr) [[likely]]
    return {};
  if (request.metric != Metric::euclidean) {
    return Error(ErrorCode::invalid_argument, "query", "only the Euclidean metric takes weights");
  }
  for (std::size_t axis = 0; axis < schema.dimensions; ++axis) {
    const double weight = request.weights[axis];
    if (!(weight >= 0 && weight <= std::numeric_limits<double>::max())) {
      return Error(ErrorCode::invalid_argument, "query",
                   "a weight is negative, infinite or NaN; 0 leaves the axis out");
    }
  }
  return {};
}

Result<void> check_options(const BulkLoadOptions& options) noexcept {
  if (options.fill >= 0.5 && options.fill <= 1) [[likely]]
    return {};
  return Error(ErrorCode::invalid_argument, "fill",
               "leaves are filled to 0.5 at least, and to 1 at most");
}

Error refused_geometry() noexcept {
  return {ErrorCode::invalid_argument, "geometry",
          "a coordinate is NaN or infinite, or a minimum is above its maximum"};
}

}  // namespace xtree::index
