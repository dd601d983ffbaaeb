#include "persistence/segment_allocator.h"

#include <gtest/gtest.h>

#include <tuple>

#include "support/random.h"

namespace xtree::persistence {
namespace {

auto key(DiskAddress address) { return std::tuple(address.segment, address.slot); }

TEST(SizeClass, IsTheSmallestThatHoldsAnImage) {
  EXPECT_EQ(size_class_for(1), 0);
  EXPECT_EQ(size_class_for(4096), 0);
  EXPECT_EQ(size_class_for(4097), 1);
  EXPECT_EQ(size_class_for(std::size_t{1} << 20), 15);
  EXPECT_EQ(size_class_for((std::size_t{1} << 20) + 1), kSizeClassKib.size());
  for (std::uint8_t c = 0; c < kSizeClassKib.size(); ++c) {
    EXPECT_EQ(slot_bytes(c) % kSectorBytes, 0u);
    EXPECT_EQ(size_class_for(slot_bytes(c)), c);
    EXPECT_LE(max_slots(c) * slot_bytes(c), kMaxSegmentBytes);
  }
}

TEST(SegmentAllocator, RefusesSegmentsThatCannotBe) {
  SegmentAllocator allocator;
  EXPECT_FALSE(allocator.add({0, 1, 0, 0}));
  EXPECT_FALSE(allocator.add({1, 0, 0, 0}));
  EXPECT_FALSE(allocator.add({1, 16385, 0, 0}));
  EXPECT_FALSE(allocator.add({1, 65, 15, 0}));
  EXPECT_FALSE(allocator.add({1, 1, 16, 0}));
  EXPECT_FALSE(allocator.add({1, 1, 0, 1}));
  EXPECT_TRUE(allocator.add({1, 16384, 0, 0}));
  EXPECT_FALSE(allocator.add({1, 1, 0, 0}));
  EXPECT_EQ(allocator.segment_bytes(), kMaxSegmentBytes);
}

TEST(SegmentAllocator, TakesASlotOnceAndOnlyWhereThereIsOne) {
  SegmentAllocator allocator;
  ASSERT_TRUE(allocator.add({3, 70, 0, 0}));
  EXPECT_TRUE(allocator.take({3, 69, 0, 0}));
  EXPECT_FALSE(allocator.take({3, 69, 0, 0}));
  EXPECT_FALSE(allocator.take({3, 70, 0, 0}));
  EXPECT_FALSE(allocator.take({3, 0, 1, 0}));
  EXPECT_FALSE(allocator.take({4, 0, 0, 0}));
  EXPECT_TRUE(allocator.taken({3, 69, 0, 0}));
  EXPECT_FALSE(allocator.taken({3, 68, 0, 0}));
  EXPECT_EQ(allocator.taken_bytes(), 4096u);
}

TEST(SegmentAllocator, FillsASegmentBeforeItGrowsItAndGrowsItBeforeItAddsOne) {
  SegmentAllocator allocator;
  std::uint64_t before = 0;
  for (unsigned i = 0; i < 2 * 16384; ++i) {
    const DiskAddress address = allocator.allocate(0).value();
    ASSERT_EQ(address.segment, 1 + i / 16384);
    ASSERT_EQ(address.slot, i % 16384);
    if (allocator.segment_bytes() != before) {
      // A doubling happens only when every slot before it is taken.
      ASSERT_EQ(allocator.taken_bytes(), before + 4096);
      before = allocator.segment_bytes();
    }
  }
  EXPECT_EQ(allocator.segments().size(), 2u);
  EXPECT_EQ(allocator.next_segment(), 3u);
  allocator.free({1, 5000, 0, 0});
  allocator.free({1, 4, 0, 0});
  EXPECT_EQ(key(allocator.allocate(0).value()), std::tuple(1, 4));
  EXPECT_EQ(key(allocator.allocate(0).value()), std::tuple(1, 5000));
  EXPECT_EQ(allocator.allocate(0).value().segment, 3u);
}

TEST(SegmentAllocator, DropsSegmentsWithoutASlotInUse) {
  SegmentAllocator allocator;
  const DiskAddress one = allocator.allocate(0).value();
  const DiskAddress other = allocator.allocate(5).value();
  allocator.free(one);
  EXPECT_EQ(allocator.drop_empty(), std::vector<std::uint32_t>{one.segment});
  EXPECT_EQ(allocator.segment_bytes(), 2 * slot_bytes(5));
  EXPECT_EQ(allocator.segments().size(), 1u);
  EXPECT_TRUE(allocator.taken(other));
  // A number does not come back.
  EXPECT_EQ(allocator.allocate(0).value().segment, 3u);
}

TEST(SegmentAllocator, HasNoMoreNumbersAtTheEnd) {
  SegmentAllocator allocator;
  allocator.set_next_segment(0xFFFFFFFEu);
  EXPECT_TRUE(allocator.allocate(0).has_value());
  EXPECT_FALSE(allocator.allocate(1).has_value());
  EXPECT_TRUE(allocator.allocate(0).has_value());
}

TEST(SegmentAllocator, MatchesASetOfAddressesAndCanBeRebuiltFromIt) {
  test::Random random(test::test_seed("SegmentAllocator"));
  SegmentAllocator allocator;
  std::vector<DiskAddress> taken;
  std::uint64_t bytes = 0;
  for (int step = 0; step < 20000; ++step) {
    if (random.below(100) < (step / 4000 % 2 == 0 ? 60u : 40u)) {
      const auto size_class = static_cast<std::uint8_t>(random.below(kSizeClassKib.size()));
      const DiskAddress address = allocator.allocate(size_class).value();
      ASSERT_EQ(address.size_class, size_class);
      taken.push_back(address);
      bytes += slot_bytes(size_class);
    } else if (!taken.empty()) {
      const std::size_t victim = random.below(taken.size());
      allocator.free(taken[victim]);
      bytes -= slot_bytes(taken[victim].size_class);
      taken[victim] = taken.back();
      taken.pop_back();
    }
    if (step % 1000 == 0) allocator.drop_empty();
    ASSERT_EQ(allocator.taken_bytes(), bytes);
  }
  SegmentAllocator rebuilt;
  rebuilt.set_next_segment(allocator.next_segment());
  for (const SegmentInfo& info : allocator.segments()) ASSERT_TRUE(rebuilt.add(info));
  // No address was given out twice, or taking it twice would fail.
  for (const DiskAddress address : taken) ASSERT_TRUE(rebuilt.take(address));
  EXPECT_EQ(rebuilt.taken_bytes(), bytes);
  EXPECT_EQ(rebuilt.segment_bytes(), allocator.segment_bytes());
  for (int i = 0; i < 1000; ++i) {
    const auto size_class = static_cast<std::uint8_t>(random.below(kSizeClassKib.size()));
    ASSERT_EQ(key(rebuilt.allocate(size_class).value()),
              key(allocator.allocate(size_class).value()));
  }
}

}  // namespace
}  // namespace xtree::persistence
