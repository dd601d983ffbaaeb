#include "api/model_run.h"

namespace xtree::test {
namespace {

using Configurations =
    testing::Types<Configuration<1, double, Shape::boxes>, Configuration<1, double, Shape::points>,
                   Configuration<1, float, Shape::boxes>, Configuration<1, float, Shape::points>>;
INSTANTIATE_TYPED_TEST_SUITE_P(In1D, ModelTest, Configurations);

}  // namespace
}  // namespace xtree::test
