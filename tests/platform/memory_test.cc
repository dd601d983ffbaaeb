#include "platform/memory.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "support/data_limit.h"
#include "support/random.h"

namespace xtree::platform {
namespace {

constexpr std::size_t kGiB = std::size_t{1} << 30;

static_assert(!std::is_copy_constructible_v<ReservedRange>);

TEST(ReservedRange, FarMoreThanTheMachineHasIsZeroAndWritableWhereItIsTouched) {
  for (const std::size_t huge_bytes : {std::size_t{0}, 100 * kGiB, 256 * kGiB}) {
    auto range = ReservedRange::create(256 * kGiB, huge_bytes).value();
    ASSERT_EQ(range.bytes(), 256 * kGiB);
    for (const std::size_t offset : {std::size_t{0}, 100 * kGiB, 256 * kGiB - 1}) {
      EXPECT_EQ(range.data()[offset], std::byte{0});
      range.data()[offset] = std::byte{7};
      EXPECT_EQ(range.data()[offset], std::byte{7});
    }
  }
}

TEST(ReservedRange, MovingLeavesTheSourceEmptyAndTheAddressWhereItWas) {
  auto first = ReservedRange::create(kGiB).value();
  std::byte* const address = first.data();
  address[5] = std::byte{5};
  ReservedRange second(std::move(first));
  EXPECT_EQ(first.data(), nullptr);
  EXPECT_EQ(first.bytes(), 0u);
  EXPECT_EQ(second.data(), address);
  ReservedRange third;
  third = std::move(second);
  EXPECT_EQ(second.bytes(), 0u);
  EXPECT_EQ(third.data()[5], std::byte{5});
}

TEST(ReservedRange, MoreThanTheAddressSpaceIsOutOfMemory) {
  const auto range = ReservedRange::create(std::size_t{1} << 62);
  ASSERT_FALSE(range);
  EXPECT_EQ(range.error().code(), ErrorCode::out_of_memory);
}

TEST(ReservedRange, PartsOfAnUnwritableOneBecomeWritable) {
  for (const std::size_t huge_bytes : {std::size_t{0}, 64 * kGiB}) {
    auto range = ReservedRange::create_unwritable(64 * kGiB + 5, huge_bytes).value();
    std::byte* const data = range.data();
    struct Part {
      std::size_t begin, end;
    };
    for (const Part part : {Part{0, 1}, {5 * kGiB + 77, 6 * kGiB - 3}, {5 * kGiB, 7 * kGiB},
                            {64 * kGiB - 1, 64 * kGiB + 5}}) {
      EXPECT_EQ(data[part.begin], data[part.end - 1]);
      ASSERT_TRUE(range.make_writable(data + part.begin, data + part.end));
      data[part.begin] = data[part.end - 1] = std::byte{7};
    }
    EXPECT_EQ(data[5 * kGiB + 77], std::byte{7});
    EXPECT_EQ(data[30 * kGiB], std::byte{0});
  }
}

TEST(ReservedRange, WhatTheSystemDoesNotPromiseStaysUnwritable) {
  if (test::kSanitized) GTEST_SKIP() << "sanitizers ask for memory of their own";
  auto range = ReservedRange::create_unwritable(64 * kGiB).value();
  std::byte* const data = range.data();
  test::DataLimit limit(std::size_t{64} << 20);
  EXPECT_TRUE(range.make_writable(data, data + 1));
  EXPECT_FALSE(range.make_writable(data, data + kGiB));
  EXPECT_EQ(data[kGiB - 1], std::byte{0});
  limit.lift();
  EXPECT_TRUE(range.make_writable(data, data + kGiB));
}

TEST(MakePresent, ChangesNoByteAndTakesAnyRange) {
  auto range = ReservedRange::create(std::size_t{4} << 20).value();
  range.data()[5000] = std::byte{5};
  make_present({range.data(), range.bytes()});
  EXPECT_EQ(range.data()[5000], std::byte{5});
  EXPECT_EQ(range.data()[range.bytes() - 1], std::byte{0});
  make_present({});
  make_present({range.data() + 1, 10});  // no page, which the system refuses
  EXPECT_EQ(range.data()[5000], std::byte{5});
}

}  // namespace
}  // namespace xtree::platform
