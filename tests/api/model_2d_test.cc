#include "api/model_run.h"

namespace xtree::test {
namespace {

using Configurations =
    testing::Types<Configuration<2, double, Shape::boxes>, Configuration<2, double, Shape::points>,
                   Configuration<2, float, Shape::boxes>, Configuration<2, float, Shape::points>>;
INSTANTIATE_TYPED_TEST_SUITE_P(In2D, ModelTest, Configurations);

}  // namespace
}  // namespace xtree::test
