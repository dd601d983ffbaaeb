#include "api/model_run.h"

namespace xtree::test {
namespace {

using Configurations =
    testing::Types<Configuration<16, double, Shape::boxes>,
                   Configuration<16, double, Shape::points>, Configuration<16, float, Shape::boxes>,
                   Configuration<16, float, Shape::points>>;
INSTANTIATE_TYPED_TEST_SUITE_P(In16D, ModelTest, Configurations);

}  // namespace
}  // namespace xtree::test
