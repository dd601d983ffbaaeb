#include "api/model_run.h"

namespace xtree::test {
namespace {

using Configurations =
    testing::Types<Configuration<8, double, Shape::boxes>, Configuration<8, double, Shape::points>,
                   Configuration<8, float, Shape::boxes>, Configuration<8, float, Shape::points>>;
INSTANTIATE_TYPED_TEST_SUITE_P(In8D, ModelTest, Configurations);

}  // namespace
}  // namespace xtree::test
