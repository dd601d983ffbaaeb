#include "api/model_run.h"

namespace xtree::test {
namespace {

using Configurations =
    testing::Types<Configuration<3, double, Shape::boxes>, Configuration<3, double, Shape::points>,
                   Configuration<3, float, Shape::boxes>, Configuration<3, float, Shape::points>>;
INSTANTIATE_TYPED_TEST_SUITE_P(In3D, ModelTest, Configurations);

}  // namespace
}  // namespace xtree::test
